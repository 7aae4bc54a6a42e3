""".env.example offers every setting, and none that means nothing."""

import re
from dataclasses import fields

from taskapi.config import Settings
from tests.support.servers import ROOT


def test_it_names_every_setting_in_its_order():
    offered = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert offered == [each.name.upper() for each in fields(Settings)]
