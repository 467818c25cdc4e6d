"""Signs that steer how other text is shown: strangers' words have none where people or programs read them."""

import re

STEERING = re.compile(
    # C0 but tab and line feed, DEL and C1, by which terminals are ordered about.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    # What reorders text, or takes no room and so hides what is there.
    r"\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
