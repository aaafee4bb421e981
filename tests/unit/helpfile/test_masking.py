"""No secret, name of a user or of a computer stays in a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.helpfile.masking import Masks

CONFIGS = Path(__file__).parents[3] / "config"
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
    f"export HF_TOKEN={SECRET}; run it with {SECRET}",
    f"git+https://ada:{SECRET}@git.lab.org/tools.git",
    f"https://{SECRET}@git.lab.org/tools.git",
    f"GET https://lab.org/models?n=3&access_token={SECRET}&m=4",
    f"Authorization: Bearer {SECRET}",
    "remote said hf_aBcDeFgHiJkLmNoP is no token",
    "github_pat_11AAAAAAA0123456789 was refused",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
)
# A password may have any sign in it, and a comment calls it as people do.
LEAKY = (
    "# my API key: SECRET",
    "# API-key SECRET",
    "# API key of the lab is SECRET",
    "# password SECRET",
    "# the password is SECRET",
    "# the token is SECRET",
    "ANTHROPIC_API_KEY SECRET",
    "HF_TOKEN 12SECRET",
    "machine lab.org login ada password SECRET",
    "# mot de passe : SECRET",
    "# Mot de passe\u00a0: SECRET",
    "# le mot de passe est SECRET",
    "# mdp: SECRET",
    "# mdp SECRET",
    "# jeton : SECRET",
    "# cl\u00e9 API : SECRET",
    "# cle\u0301 d'acc\u00e8s : SECRET",
    "# cl\u00e9 d\u2019API SECRET",
    "Kennwort=SECRET",
    "Passwort: SECRET",
    "# das Passwort ist SECRET",
    *(f"password=ab{sign}cdSECRET" for sign in "#&]}),;'\" "),
    *(f"x: {{password: ab{sign}cdSECRET}}" for sign in "#&])"),
    "password: my long SECRET phrase",
    'password: "my" long SECRET phrase',
    "--password my long SECRET phrase --n 3",
    "# password:\n#   SECRET",
    "https://ada:Pa@ssSECRET@host/x",
    "https://ada:pa/SECRET@lab.example.org",
    "git+https://ada:p@/SECRET@lab.org/tools.git@v1",
    "https://lab.org/x?sig=SECRET",
    "https://lab.org/x?n=3&key=SECRET",
    "https://lab.org/x?X-Amz-Credential=SECRET&X-Amz-Signature=SECRET&n=3",
    "signature=SECRET",
    "DB_PASS=SECRET",
    "OMERO_PASS=SECRET",
    "run --pass SECRET --n 3",
    "  pass: SECRET",
    "omero login -s lab.org -u ada -w SECRET",
    "sshpass -p SECRET ssh lab.org",
    "sshpass -pSECRET ssh lab.org",
    "mysql -u ada -pSECRET",
    "curl -u ada:SECRET https://lab.org",
    "python growth.py -p SECRET --n 3",
    "python growth.py -p'my SECRET' --n 3",
    "<password>SECRET</password>",
    "password=hf_aBcDeFg12345#SECRET",
    "password=***SECRET",
    "token -> SECRET",
    'arguments: ["-p", "SECRET", "--n", "3"]',
    "arguments: [-p, SECRET, --n, 3]",
    "arguments:\n- -p\n- SECRET\n- --n",
    "https://hooks.slack.com/services/T00/B00/SECRET",
    *(
        f"x {start}12SECRETaBc y"
        for start in ("AIza", "npm_", "dckr_pat_", "pypi-", "glpat-", "xoxb-")
    ),
    "Cookie: session=SECRET; n=3",
    'Authorization: Digest username="ada", realm="x", response="SECRET"',
)
# What helps is not to be lost: these are no secrets.
STAYS = (
    "mkdir -p results/masks",
    "sbatch -p gpu -w node3 job.sh",
    "#SBATCH -p gpu",
    "secretion_rate: 5\nsecreted: [insulin]\nsecretory_granules: 3",
    "ssh -p 2222 lab.org",
    "conda create -p /scratch/env python",
    "snakemake -p --cores 4",
    "scripts:\n  - name: x\n    variables: [HF_TOKEN, data_dir]\n    output: {a: b}\n",
    "Permission denied (publickey,password).",
    "password authentication failed",
    "the password is not set",
    "Pass 2 of 3: 12 passes",
    "compass: 3\nbypass: 4\nsigma: 2\npassages: 3",
    "pip install git+https://git.lab.org/tools.git@v1.0",
    "npm_config_cache is used by pypi-mirror and hf_hub_download",
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
    for beside in ("n: 3", "--n", "lab.org", "growth.py", "--dry", "&m=4", "# mine"):
        assert (beside in line) == (beside in shown)


@pytest.mark.parametrize("line", LEAKY)
@pytest.mark.parametrize("yaml", [False, True])
def test_no_sign_and_no_name_keeps_a_secret_readable(masks, line, yaml):
    shown = masks.hide(f"before: 1\n{line}\nafter: 2\n", yaml=yaml)
    assert "SECRET" not in shown and "***" in shown
    assert shown.startswith("before: 1\n") and shown.endswith("\nafter: 2\n")


@pytest.mark.parametrize("line", STAYS)
@pytest.mark.parametrize("yaml", [False, True])
def test_what_is_no_secret_stays(masks, line, yaml):
    assert masks.hide(line, yaml=yaml) == line


def test_the_whole_config_stays_readable(masks):
    for name in ("config.yaml", "demo.yaml"):
        text = (CONFIGS / name).read_text(encoding="utf-8")
        assert masks.hide(text, yaml=True) == text


@pytest.mark.parametrize("text", BELOW)
def test_what_stands_below_a_secret_key_goes_with_it(masks, text):
    shown = masks.hide(text, yaml=True)
    assert SECRET not in shown and "first" not in shown and "words" not in shown
    assert "n: 3" in shown and len(shown.splitlines()) == len(text.splitlines())


def test_a_secret_that_is_known_is_found_without_its_name(masks):
    masks.hide(f"token: {SECRET}")
    assert masks.hide(f"could not log in with {SECRET}!") == "could not log in with ***!"


def test_of_a_long_line_the_secret_alone_is_known_again(masks):
    masks.hide("# token: 7f3a9b2c, for the lab's threshold")
    assert (
        masks.hide("7f3a9b2c was refused; engine: threshold")
        == "*** was refused; engine: threshold"
    )


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
