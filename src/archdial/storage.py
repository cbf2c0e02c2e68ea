"""Saving and loading lives in `archdial.families.storage`; scripts may name it here, as they always could."""

from archdial.families.storage import load_built, load_family, load_member, save_family, save_member

__all__ = ["load_built", "load_family", "load_member", "save_family", "save_member"]
