"""No secret, name of a user or of a computer stays in a text."""

from __future__ import annotations

import pytest

from segmake.helpfile.masking import Masks

SECRET = "s3cr3t-Word"
LINES = (
    f"arguments: {{token: {SECRET}, n: 3}}",
    f"  api_key: '{SECRET}'  # mine",
    f'{{"apiKey": "{SECRET}", "n": 3}}',
    f"# password: {SECRET}",
    f"python growth.py --n 3 --access-token {SECRET} --dry",
    f"python growth.py --API_KEY={SECRET}",
    f'arguments: ["--token", "{SECRET}", "--n", "3"]',
    f"arguments:\n- --password\n- {SECRET}\n- --n",
    f"export HF_TOKEN={SECRET}; run",
    f"git+https://ada:{SECRET}@git.lab.org/tools.git",
    f"https://{SECRET}@git.lab.org/tools.git",
    f"GET https://lab.org/models?n=3&access_token={SECRET}&m=4",
    f"Authorization: Bearer {SECRET}",
    "remote said hf_aBcDeFgHiJkLmNoP is no token",
    "github_pat_11AAAAAAA0123456789 was refused",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
)
BELOW = (
    f"token:\n  - {SECRET}\n  - b\nn: 3\n",
    f"- name: x\n  secret:\n  - {SECRET}\n  n: 3\n",
    f"password: |\n  first\n\n  {SECRET}\nn: 3\n",
    f'"client_secret": two words {SECRET}\nn: 3\n',
)


@pytest.fixture
def masks() -> Masks:
    return Masks(user="ada", home="/home/ada", host="login1.lab.org")


@pytest.mark.parametrize("line", LINES)
def test_a_secret_is_taken_out_and_what_stands_beside_it_stays(masks, line):
    shown = masks.hide(line)
    assert "***" in shown and masks.found["secret"]
    for secret in (SECRET, "aBcDeFg", "11AAAA", "eyJz", "c2ln"):
        assert secret not in shown
    for beside in ("n: 3", "--n", "lab.org", "growth.py", "--dry", "&m=4", "; run", "# mine"):
        assert (beside in line) == (beside in shown)


@pytest.mark.parametrize("text", BELOW)
def test_what_stands_below_a_secret_key_goes_with_it(masks, text):
    shown = masks.hide(text, yaml=True)
    assert SECRET not in shown and "first" not in shown and "words" not in shown
    assert "n: 3" in shown and len(shown.splitlines()) == len(text.splitlines())


def test_a_secret_that_is_known_is_found_without_its_name(masks):
    masks.hide(f"token: {SECRET}")
    assert masks.hide(f"could not log in with {SECRET}!") == "could not log in with ***!"


def test_who_and_where_the_user_is_becomes_a_word(masks):
    shown = masks.hide(
        "ada@login1:~$ ls /home/ada/day1 /home/adam /scratch/ada/x "
        "login1.cluster.local login12 ada.lovelace@lab.org git@github.com:lab/tools.git"
    )
    assert shown == (
        "USER@HOST:~$ ls ~/day1 /home/adam /scratch/USER/x "
        "HOST login12 MAIL git@github.com:lab/tools.git"
    )


def test_what_only_sounds_like_a_secret_stays(masks):
    said = "the token is missing\nno password was given\nimages: {folder: images}\nkey: value\n"
    assert masks.hide(said, yaml=True) == said
