"""Code that both checkers reject: every line that ends in `# refused`, and no other."""

from __future__ import annotations

from accepted import Color, Message, Profile, User, ann, app, message, messages, users

from persisty import VERSION, After, AfterCreate, Attr, Event, Retry, stored

# constructors
print(Message(author_id=ann.id))  # refused
print(Message(text=1, author_id=ann.id))  # refused
print(Message(text="x", author_id="ann"))  # refused
print(Message(text="x", author_id=ann.id, age="4"))  # refused
print(Message(text="x", author_id=ann.id, txt="y"))  # refused
print(Message(text="x", author_id=ann.id, author=ann))  # refused
print(User("ann"))  # refused


@stored
class Wrong:
    id: Attr[str]
    rank: Attr[int] = Attr(default="none")  # refused
    size: Attr[str] = Attr(default="s", visible=False)  # refused
    plain: Attr[int] = 0  # refused
    both: Attr[list[str]] = Attr(default=[], factory=list)  # refused
    shown: Attr[int] = Attr(readable=True)
    version: Attr[int] = VERSION


print(Wrong(id="1"))  # refused

# instances
message.text = 1  # refused
print(message.age + 1)  # refused
print(message.text.contains("x"))  # refused

# filters
messages.search(Message.text == 1)  # refused
messages.search(Message.rank == "high")  # refused
messages.search(Message.age > "3")  # refused
messages.search(Message.age > None)  # refused
messages.search(Message.age.contains("3"))  # refused
messages.search(Message.rank.oneof(["high"]))  # refused
messages.search(Message.size == 1)  # refused
messages.search(Message.tags > ["x"])  # refused
messages.search(Message.color > Color.RED)  # refused
messages.search(Message.text.contains(1))  # refused
messages.search(Message.txt == "x")  # refused
messages.search(Message.text.size == 1)  # refused
messages.search(Message.author.name == "ann")  # refused
messages.search(Message.author.username == 1)  # refused
messages.search(Profile.user.messages.any(True))  # refused
messages.search(True)  # refused
messages.search("text")  # refused
messages.search(Message.text == "x" and Message.rank)  # refused

# orders, aggregates, changes
messages.search(order=1)  # refused
messages.search(order=Message.rank.down())  # refused
messages.aggregate(Message.text.sum())  # refused
messages.aggregate(Message.tags.max())  # refused
messages.aggregate(Message.rank)  # refused
messages.update(message.id, {"rank": 1}, when=True)  # refused
messages.update(message.id, [])  # refused
messages.create(ann)  # refused
messages.edit_batch([message])  # refused

# stores and links
app.store(int).create("x")  # refused
print(users.read(ann.id).username)  # refused
print(users.links(ann, User.messages).messages.text)  # refused
print(messages.links(message, Message.author).author.username)  # refused
messages.links(ann)  # refused
messages.links(message, 1)  # refused

# triggers
AfterCreate(Message, where=True)  # refused
AfterCreate(Message, changed=["text"])  # refused
After(Message, on=["created"])  # refused
Retry(attempts="3")  # refused


def handler(event: Event[Message]) -> None:
    print(event.item.txt)  # refused
    print(event.after.text)  # refused
