"""The bare programs that luactl is compared with."""
