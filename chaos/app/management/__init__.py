"""The command that each chaos run starts."""
