"""The item cache of a process: the calls that it saves. No read returns an item that a write of this process has replaced."""
