"""`persisty local`: AWS's behaviour on this machine. The stacks of an app in an emulator, their functions in processes, and a server for their URLs."""
