"""Kept for scripts that import saving and loading from here; they are in `archdial.families.storage`."""

from archdial.families.storage import load_built, load_family, load_member, save_family, save_member

__all__ = ["load_built", "load_family", "load_member", "save_family", "save_member"]
