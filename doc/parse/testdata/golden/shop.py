#!/usr/bin/env python3
"""A shop.

def not_a_function(): it is in a string
"""
import os

# What a tea is.
@dataclass
class Tea(Base):
    """Tea."""
    name: str

    # Makes it.
    def brew(self):
        def inner():
            pass
        return inner

    async def pour(self): ...

def main():
    pass

if __name__ == "__main__":
    main()
