"""The form that clients of pydantic are to answer in."""

from typing import Literal

from pydantic import BaseModel


class Call(BaseModel):
    """A call to the hotline."""

    queue: Literal["router", "billing"]
