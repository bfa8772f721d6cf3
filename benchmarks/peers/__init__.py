"""The peers' side of measurements that need a server of their own."""
