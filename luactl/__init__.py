"""The engine of luactl: what can be done. It knows no terminal."""
