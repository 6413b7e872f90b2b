"""Secrets of every format, made up by a generator that is seeded, and the texts in which they are put.

A template is written by what the issuer of a format documents, not by the pattern that is to find it. `<A36>` stands
for 36 letters and digits; the other classes are in `CLASSES`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import string
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from peer_relay.invite import Invite, format_invite
from peer_relay.keys import format_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALNUM = string.digits + string.ascii_uppercase + string.ascii_lowercase
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CLASSES = {
    "A": ALNUM,
    "b": ALNUM + "+/",
    "c": string.digits + string.ascii_lowercase,
    "C": string.digits + string.ascii_uppercase,
    "d": string.digits,
    "h": "0123456789abcdef",
    "k": string.ascii_uppercase + "234567",
    "L": string.ascii_letters,
    "u": ALNUM + "_-",
    "z": "".join(each for each in ALNUM if each not in "0OIl"),
}
TEMPLATES: dict[str, tuple[str, ...]] = {
    "a GitHub token": ("github_pat_<A22>_<A59>",),
    "a GitHub app token": ("ghs_<d6>_eyJ<u120>.<u200>.<u86>",),
    "a GitHub refresh token": ("ghr_<A76>",),
    "a GitLab token": (
        *("glpat-<u20>", "gldt-<u20>", "glptt-<h40>", "glft-<u20>", "glimt-<u25>", "glagent-<u50>", "gloas-<h64>"),
        *("glsoat-<u20>", "glffct-<u20>", "glrt-t1_<u20>", "glwt-<u20>", "glpat-<u27>.01.<c9>"),
    ),
    "a GitLab job token": ("glcbt-<c2>_<u20>",),
    "a GitLab registration token": ("GR1348941<u20>",),
    "a Bitbucket or Atlassian token": ("ATATT3xFfGF0<u170>=<h8>", "ATCTT3xFfGN0<u160>=<h8>", "ATBB<A32>"),
    "an AWS access key": ("AKIA<k16>", "ASIA<k16>"),
    "an AWS secret key": (
        *("aws_secret_access_key = <b40>", "AWS_SECRET_ACCESS_KEY=<b40>", '"SecretAccessKey": "<b40>"'),
        'secretAccessKey: "<b40>"',
    ),
    "an AWS Bedrock key": ("ABSKQmVkcm9ja0FQSUtleS<b109>=", "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t<b200>="),
    "an AWS session token": ("IQoJb3JpZ2luX2Vj<b400>=", "FwoGZXIvYXdzE<b300>"),
    "a Google API key": ("AIzaSy<u33>", "AQ.Ab8RN6<u44>"),
    "a Google OAuth secret": ("GOCSPX-<u28>",),
    "a Google OAuth token": ("ya29.<u160>",),
    "a Google refresh token": ("1//0<u60>",),
    "an Azure account key": ("AccountName=store;AccountKey=<b86>==", "Endpoint=sb://x;SharedAccessKey=<b43>="),
    "an Azure SAS signature": (
        "https://x.blob.core.windows.net/c/b?sv=2024-11-04&se=2026-12-31T00%3A00%3A00Z&sr=b&sp=r&sig=<A43>%3D",
    ),
    "an Azure client secret": ("<A3>8Q~<u34>",),
    "an Azure DevOps token": ("<A76>AZDO<A4>", "<A52>JQQJ99BCACAAAAAAAAAAAAASAZDO<A4>"),
    "an Azure key": ("<A52>JQQJ99<A1>B<A16>A<A7>",),
    "a DigitalOcean token": ("dop_v1_<h64>", "doo_v1_<h64>", "dor_v1_<h64>"),
    "an Alibaba Cloud key": ("LTAI5t<A18>",),
    "a Cloudflare token": ("cfut_<A48>", "cfat_<A48>", "cfk_<A48>"),
    "a Fly.io token": ("fo1_<u43>", "fm2_<b200>"),
    "a Vault token": ("hvs.<u95>", "hvb.<u150>"),
    "a Terraform Cloud token": ("<A14>.atlasv1.<u67>",),
    "a Pulumi token": ("pul-<h40>",),
    "a Doppler token": ("dp.pt.<A43>", "dp.st.prd.<A43>"),
    "a PlanetScale secret": ("pscale_tkn_<u43>", "pscale_pw_<u43>", "pscale_oauth_<u43>"),
    "a Supabase key": ("sbp_<h40>", "sb_secret_<u31>"),
    "a Netlify token": ("nfp_<A36>",),
    "a Heroku key": ("HRKU-AA<u58>",),
    "a Tailscale key": ("tskey-auth-k<A11>CNTRL-<A32>", "tskey-api-k<A11>CNTRL-<A32>"),
    "a Vercel token": ("vcp_<A56>", "vck_<A56>", "vci_<A56>"),
    "a Neon key": ("napi_<c64>",),
    "a Render key": ("rnd_<A28>",),
    "a MongoDB Atlas secret": ("mdb_sa_sk_<u40>",),
    "a CockroachDB key": ("CCDB1_<A22>_<A40>",),
    "a DeepSeek key": ("sk-<h32>",),
    "an NVIDIA key": ("nvapi-<u64>",),
    "a Cerebras key": ("csk-<c48>",),
    "a Together key": ("tgp_v1_<u43>",),
    "a Pinecone key": ("pcsk_<A5>_<A63>",),
    "a Langfuse key": ("sk-lf-<h8>-<h4>-<h4>-<h4>-<h12>",),
    "a RunPod key": ("rpa_<C40><A6>",),
    "a Sonar token": ("squ_<h40>", "sqp_<h40>", "sqa_<h40>"),
    "a Harness token": ("pat.<u22>.<h24>.<A20>",),
    "a Rails master key": ("RAILS_MASTER_KEY=<h32>", 'RAILS_MASTER_KEY: "<h32>"'),
    "a Plaid token": ("access-production-<h8>-<h4>-<h4>-<h4>-<h12>",),
    "a Shippo key": ("shippo_live_<h40>",),
    "an EasyPost key": ("EZAK<A54>",),
    "a Resend key": ("re_<z8>_<z24>",),
    "a MailerSend token": ("mlsn.<h64>",),
    "a Mapbox token": ("sk.eyJ<u60>.<u22>",),
    "a PostHog key": ("phx_<A43>",),
    "a Contentful token": ("CFPAT-<u43>",),
    "a ClickUp token": ("pk_<d8>_<C32>",),
    "an Okta token": ("SSWS 00<u40>",),
    "a Dropbox token": ("sl.<u136>", "sl.u.<u200>"),
    "an Anthropic key": ("sk-ant-api03-<u93>AA", "sk-ant-admin01-<u93>AA", "sk-ant-oat01-<u93>AA"),
    "an OpenAI key": ("sk-<A20>T3BlbkFJ<A20>", "sk-proj-<u74>T3BlbkFJ<u74>", "sk-svcacct-<u58>T3BlbkFJ<u58>"),
    "an OpenRouter key": ("sk-or-v1-<h64>",),
    "a Hugging Face token": ("hf_<L34>",),
    "a Groq key": ("gsk_<A52>",),
    "an xAI key": ("xai-<A80>",),
    "a Perplexity key": ("pplx-<A48>",),
    "a Replicate token": ("r8_<A37>",),
    "a LangSmith key": ("lsv2_pt_<h32>_<h10>", "lsv2_sk_<h32>_<h10>"),
    "a Databricks token": ("dapi<h32>", "dapi<h32>-3"),
    "a PyPI token": ("pypi-AgEIcHlwaS5vcmc<u155>",),
    "a RubyGems key": ("rubygems_<h48>",),
    "a crates.io token": ("cio<A32>",),
    "a Clojars token": ("CLOJARS_<h60>",),
    "a NuGet key": ("oy2<c43>",),
    "a Docker Hub token": ("dckr_pat_<u27>", "dckr_oat_<u32>"),
    "a JFrog key": ("AKCp<A69>",),
    "a CircleCI token": ("CCIPAT_<A22>_<h40>",),
    "a Buildkite token": ("bkua_<h40>",),
    "a Stripe key": ("sk_live_<A24>", "rk_live_<A99>"),
    "a Stripe webhook secret": ("whsec_<A32>",),
    "a Square token": ("sq0atp-<u22>", "sq0csp-<u43>", "EAAA<u60>"),
    "a Shopify token": ("shpat_<h32>", "shpss_<h32>", "shpca_<h32>", "shppa_<h32>"),
    "a Braintree token": ("access_token$production$<c16>$<h32>",),
    "a Slack token": (
        *("xoxb-<d12>-<d13>-<A24>", "xoxp-<d12>-<d12>-<d13>-<h32>", "xapp-1-A<C10>-<d13>-<h64>", "xoxe-1-<C146>"),
        *("xoxb-<d11>-<A24>", "xoxe.xoxp-1-<C164>", "xoxc-<d12>-<d12>-<d13>-<h64>"),
    ),
    "a Slack cookie": ("xoxd-<b160>",),
    "a Slack webhook": ("https://hooks.slack.com/services/T<C8>/B<C10>/<A24>",),
    "a Discord webhook": ("https://discord.com/api/webhooks/<d18>/<u68>",),
    "a Telegram bot token": ("<d10>:AA<u33>",),
    "a SendGrid key": ("SG.<u22>.<u43>",),
    "a Brevo key": ("xkeysib-<h64>-<A16>",),
    "a Mailchimp key": (
        "MAILCHIMP_API_KEY=<h32>-us14",
        "mailchimp: <h32>-us1",
        "<h32>-us6 https://us6.api.mailchimp.com",
    ),
    "a Mailgun key": ("MAILGUN_API_KEY=key-<h32>", "mailgun: <h32>-<h8>-<h8>", "api:key-<h32>"),
    "a Linear key": ("lin_api_<A40>",),
    "a Notion token": ("ntn_<d11><A35>", "secret_<A43>"),
    "an Airtable token": ("pat<A14>.<h64>",),
    "a Figma token": ("figd_<u40>",),
    "a Postman key": ("PMAK-<h24>-<h34>", "PMAT-<C26>"),
    "a Grafana token": ("glsa_<A32>_<h8>", "glc_<b100>=="),
    "a Sentry token": ("sntrys_eyJ<b120>=_<b43>", "sntryu_<h64>"),
    "a New Relic key": ("NRAK-<C27>", "<h36>NRAL"),
    "a Dynatrace token": ("dt0c01.<C24>.<C64>",),
    "a 1Password token": ("ops_eyJ<b300>",),
    "a 1Password secret key": ("A3-<C6>-<C6>-<C5>-<C5>-<C5>-<C5>", "A3-<C6>-<C11>-<C5>-<C5>-<C5>"),
    "a Prefect key": ("pnu_<A36>",),
    "an OpenShift token": ("sha256~<u43>",),
    "a PuTTY private key": ("PuTTY-User-Key-File-3: ssh-ed25519\nComment: me\nPrivate-Lines: 1\n<b48>\n",),
    "an address with a password": (
        "postgres://app:<A16>@db.internal:5432/app",
        "https://me:<u20>@git.company.dev/x.git",
    ),
}


def seeded(seed: int) -> Random:
    """Return a generator that makes the same in every run."""
    return Random(seed)  # noqa: S311 - secrets for tests alone


def filled(template: str, random: Random) -> str:
    """Return a template with random characters in its places; no run of six, which would look made up."""

    def some(match: re.Match[str]) -> str:
        while True:
            made = "".join(random.choices(CLASSES[match[1]], k=int(match[2])))
            if re.search(r"(.)\1{5}", made) is None:
                return made

    return re.sub(r"<([A-Za-z])(\d+)>", some, template)


def in_base62(number: int, length: int) -> str:
    """Return a number in base 62, filled up with zeros."""
    digits = ""
    while len(digits) < length:
        number, digit = divmod(number, 62)
        digits = ALNUM[digit] + digits
    return digits


def with_crc(prefix: str, random: Random) -> str:
    """Return a token of GitHub or npm."""
    body = filled("<A30>", random)
    return prefix + body + in_base62(binascii.crc32(body.encode()), 6)


def age_key(random: Random) -> str:
    """Return an age key: bech32 by BIP 173, in capitals."""
    name, bits = "age-secret-key-", "".join(f"{byte:08b}" for byte in random.randbytes(32))
    data = [int(bits[start : start + 5].ljust(5, "0"), 2) for start in range(0, len(bits), 5)]
    expanded = [ord(each) >> 5 for each in name] + [0] + [ord(each) & 31 for each in name]
    state = 1
    for value in [*expanded, *data, *[0] * 6]:
        top, state = state >> 25, ((state & 0x1FFFFFF) << 5) ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= generator if (top >> bit) & 1 else 0
    check = [((state ^ 1) >> 5 * (5 - place)) & 31 for place in range(6)]
    return f"{name}1{''.join(BECH32[each] for each in [*data, *check])}".upper()


def url_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(random: Random) -> str:
    """Return a signed JSON Web Token."""
    header = {"alg": random.choice(["HS256", "RS256", "ES256"]), "typ": "JWT", "kid": filled("<h8>", random)}
    payload = {"sub": filled("<c12>", random), "iat": random.randrange(10**9, 2 * 10**9), "scope": "read write"}
    return ".".join(url_base64(json.dumps(each).encode()) for each in (header, payload)) + filled(".<u43>", random)


def pem(random: Random) -> str:
    """Return a private key in one of its wrappings."""
    kind, *heads = random.choice(
        [
            ("RSA PRIVATE KEY",),
            ("PRIVATE KEY",),
            ("EC PRIVATE KEY",),
            ("OPENSSH PRIVATE KEY",),
            ("ENCRYPTED PRIVATE KEY",),
            ("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED", f"DEK-Info: AES-128-CBC,{filled('<h32>', random)}", ""),
            ("PGP PRIVATE KEY BLOCK", "Version: GnuPG v2", ""),
        ]
    )
    body = [filled("<b64>", random) for _ in range(random.randrange(3, 20))]
    return "\n".join([f"-----BEGIN {kind}-----", *heads, *body, f"-----END {kind}-----"])


def discord_bot(random: Random) -> str:
    snowflake = str(random.randrange(10**17, 10**19)).encode()
    return url_base64(snowflake) + filled(".<u6>.<u38>", random)


def basic(random: Random) -> str:
    """Return the header of a login, as `curl -v` shows it."""
    login = filled(random.choice(["admin:<A16>", "x-access-token:<u24>", "ci:<A10>7"]), random)
    return f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"


MADE: dict[str, tuple[Callable[[Random], str], ...]] = {
    "a GitHub token": tuple(
        lambda random, prefix=prefix: with_crc(prefix, random) for prefix in ("ghp_", "gho_", "ghu_", "ghs_")
    ),
    "an npm token": (lambda random: with_crc("npm_", random),),
    "a room token of peer-relay": (lambda random: format_token(random.randbytes(32)),),
    "an invite of peer-relay": (
        lambda random: format_invite(Invite("git@host:mailbox.git", format_token(random.randbytes(32)), "bob")),
    ),
    "an age key": (age_key,),
    "a JSON Web Token": (jwt,),
    "a private key": (pem,),
    "a Discord bot token": (discord_bot,),
    "a login in a header": (basic,),
}


def makers() -> dict[str, list[Callable[[Random], str]]]:
    """Return, for each kind, what makes one: each form of it in its turn."""
    found: dict[str, list[Callable[[Random], str]]] = {kind: list(each) for kind, each in MADE.items()}
    for kind, templates in TEMPLATES.items():
        found.setdefault(kind, []).extend(partial(filled, text) for text in templates)
    return found


CONTEXTS: tuple[Callable[[str], str], ...] = (
    lambda secret: f"The deployment failed, and I think that {secret} is the one it uses. Is it?",
    lambda secret: f"See the log:\n\n2026-11-23 10:00:00 INFO using {secret}",
    lambda secret: f'client = Client(\n    token="{secret}",\n    timeout=10,\n)\n',
    lambda secret: f"# .env\nDEBUG=1\nAPI_TOKEN={secret}\nPORT=80\n",
    lambda secret: f"env:\n  - name: TOKEN\n    value: '{secret}'\n",
    lambda secret: f"curl -H 'Authorization: Bearer {secret}' https://api.example.com/v1/things",
    lambda secret: f"Set `{secret}` in the settings (not in the code).",
    lambda secret: json.dumps({"output": json.dumps({"token": secret, "next": f"\n{secret}\n"})}),
    lambda secret: f"https://host.example.com/hook?id=7&key={secret}&x=1",
    lambda secret: f"| name | value |\n|---|---|\n| key | {secret} |\n",
    lambda secret: f"({secret})",
    lambda secret: f"export TOKEN={secret};make deploy",
)


def samples(random: Random, each: int) -> Iterator[tuple[str, str, str]]:
    """Yield kind, secret and text: so many of each kind, in one context after the other."""
    for kind, ways in makers().items():
        for number in range(each):
            secret = ways[number % len(ways)](random)
            yield kind, secret, CONTEXTS[(number // len(ways) + number) % len(CONTEXTS)](secret)


# ---------------------------------------------------------------------------------------------------------------------
# What happens to a secret by itself


def wrapped(secret: str, at: int, with_: str) -> str:
    return secret[:at] + with_ + secret[at:]


CHANGES: dict[str, Callable[[str], str]] = {
    "a zero-width space in it": lambda secret: wrapped(secret, 2, "\u200b"),
    "soft hyphens in it": "\u00ad".join,
    "full-width characters": lambda secret: "".join(
        chr(ord(each) + 0xFEE0) if 0x21 <= ord(each) <= 0x7E else each for each in secret
    ),
    "wrapped by a terminal": lambda secret: wrapped(secret, len(secret) // 2, "\n"),
    "wrapped and indented": lambda secret: wrapped(secret, len(secret) // 2, "\n      "),
    "wrapped in a quoted mail": lambda secret: wrapped(secret, len(secret) // 2, "\n> "),
    "a line that goes on after a backslash": lambda secret: wrapped(secret, 3, "\\\n  "),
    "quoted-printable": lambda secret: wrapped(secret, 3, "=\n"),
    "two strings": lambda secret: wrapped(secret, 9, '" + "'),
    "escaped as in JSON": lambda secret: f"\\u{ord(secret[0]):04x}{secret[1:]}",
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 in lines": lambda secret: base64.encodebytes(secret.encode()).decode(),
}
