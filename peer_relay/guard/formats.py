r"""Which formats of secrets are looked for: a table of kind, anchors, pattern and check.

1. A format is here if its issuer gives it a prefix or a structure of its own. Nothing is guessed from how random a
   text looks, so a password in prose is not found, and a hash is no false alarm.
2. A pattern takes linear time on any text. It begins where a word begins, and what it repeats without a limit is
   possessive (`++`) or within a limit, so that no two attempts look at the same characters for long.
3. An anchor is a piece of text that every match holds. A format without one of its anchors in a text costs nothing
   more than that look, and its pattern is compiled when it is needed first.

Left out, because of false alarms or because there is nothing to go by: test keys of Stripe, which tutorials share;
Twilio (`SK` or `AC` and hexadecimal digits); Datadog, the older keys of Heroku and Cloudflare, and whatever else is
bare hexadecimal digits or a UUID; an AWS secret key without its name.

Where others use the same form, something more decides: the name of Mailgun or Mailchimp beside hexadecimal digits, all
sorts of characters behind `secret_`, a host that is not this machine or an example for a short password.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from peer_relay.guard.checks import (
    has_bech32,
    has_crc62,
    is_basic,
    is_invite,
    is_key_material,
    is_login,
    is_mixed,
    is_real,
    is_room_token,
    is_signed_jwt,
    is_snowflake,
    is_varied,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A word begins here; so it does behind an escaped line end and a percent-encoded character, which end with a letter.
_BEGIN = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_END = r"(?![A-Za-z0-9_-])"


_HAVE_CHECKSUM = (has_crc62, has_bech32, is_room_token)
"""Checks that are sure of a match wherever it begins and ends."""


class Format(NamedTuple):
    """One format.

    Attributes:
        kind: what it is, with its article, as a sentence names it.
        anchors: texts of which every match holds one.
        pattern: a regular expression, without where a word begins.
        check: says of what the pattern matched whether it may be real. Without a check of its own a match has to end
            where a word ends; with one it need not, so that what was stuck to it by a line end does not hide it.
        is_own: whether it is peer-relay's own secret, which nobody may send.
        leads: whether every match begins with an anchor, so that the pattern is tried there alone.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: str
    check: Callable[[str], bool] = is_real
    is_own: bool = False
    leads: bool = True

    def may_be_in(self, text: str) -> bool:
        """Return whether one of its anchors is in a text."""
        return any(anchor in text for anchor in self.anchors)

    def matches(self, text: str) -> Iterator[int]:
        """Yield where in a text it begins, in characters from 0."""
        present = [anchor for anchor in self.anchors if anchor in text]
        if not present:
            return
        compiled = _compiled(self.pattern, self.check)
        if not self.leads:
            yield from (match.start() for match in compiled.finditer(text) if self.check(match[0]))
            return
        for anchor in present:
            position = text.find(anchor)
            while position >= 0:
                match = compiled.match(text, position)
                if match is not None and self.check(match[0]):
                    yield position
                    position = match.end() - 1
                position = text.find(anchor, position + 1)


@functools.cache
def _compiled(pattern: str, check: Callable[[str], bool]) -> re.Pattern[str]:
    begin = "" if check in _HAVE_CHECKSUM or pattern.startswith((":", "-", "/", "(?i")) else _BEGIN
    return re.compile(f"{begin}(?:{pattern}){_END if check in (is_real, is_varied) else ''}", re.ASCII)


def _prefixed(kind: str, prefix: str, rest: str) -> Format:
    """Return a format that is a fixed prefix and a rest."""
    return Format(kind, (prefix,), re.escape(prefix) + rest)


FORMATS = (
    # peer-relay
    Format("a room token of peer-relay", ("prt1-",), r"prt1-[a-z2-7]{56}", is_room_token, is_own=True),
    Format("an invite of peer-relay", ("pr1-",), r"pr1-[a-z2-7]{100,}+", is_invite, is_own=True),
    # Code hosting
    Format("a GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36}", has_crc62),
    Format("a GitHub app token", ("ghs_",), r"ghs_[\w-]{8,}+\.[\w-]{20,}+\.[\w-]{20,}+"),
    Format("a GitHub refresh token", ("ghr_",), r"ghr_[A-Za-z0-9]{76}"),
    Format("a GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    Format(
        "a GitLab token",
        (
            "glpat-",
            "gldt-",
            "glrt-",
            "glrtr-",
            "glptt-",
            "glft-",
            "glimt-",
            "glagent-",
            "gloas-",
            "glsoat-",
            "glffct-",
            "glwt-",
        ),
        r"gl(?:pat|dt|rt|rtr|ptt|ft|imt|agent|oas|soat|ffct|wt)-(?=[a-z_-]{0,40}+[A-Z0-9])(?:t\d_)?[A-Za-z0-9_-]{20,}+",
    ),
    Format("a GitLab job token", ("glcbt-",), r"glcbt-[0-9A-Za-z]{1,5}_[A-Za-z0-9_-]{20,}+"),
    Format("a GitLab registration token", ("GR1348941",), r"GR1348941[A-Za-z0-9_-]{20}"),
    Format("a Bitbucket or Atlassian token", ("ATATT3", "ATCTT3", "ATBB"), r"AT[AC]TT3[\w=-]{60,250}+|ATBB\w{32}"),
    # Clouds
    Format("an AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}"),
    Format(
        "an AWS secret key",
        ("ecret_access_key", "ECRET_ACCESS_KEY", "ecretAccessKey"),
        r"(?i:secret_?access_?key)\\{0,3}[\"']?\s{0,3}(?:=>|[:=]|\s)\s{0,3}\\{0,3}[\"']?[A-Za-z0-9/+]{40}(?![/+=])",
        leads=False,
    ),
    Format(
        "an AWS session token",
        ("IQoJb3JpZ2luX2Vj", "FwoGZXIvYXdz"),
        r"(?:IQoJb3JpZ2luX2Vj|FwoGZXIvYXdz)[A-Za-z0-9+/=]{100,}+",
    ),
    Format(
        "an AWS Bedrock key",
        ("ABSKQmVkcm9ja0FQSUtleS", "bedrock-api-key-"),
        r"(?:ABSKQmVkcm9ja0FQSUtleS|bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t)[A-Za-z0-9+/=]{80,}+",
    ),
    Format("a Google API key", ("AIza", "AQ.Ab8RN6"), r"(?:AIza[A-Za-z0-9_-]{35}|AQ\.Ab8RN6[A-Za-z0-9_-]{44})"),
    _prefixed("a Google OAuth secret", "GOCSPX-", r"[A-Za-z0-9_-]{28}"),
    Format("a Google OAuth token", ("ya29.",), r"ya29\.[A-Za-z0-9_-]{30,}+"),
    Format("a Google refresh token", ("1//0",), r"1//0[A-Za-z0-9_-]{40,}+"),
    Format(
        "an Azure account key",
        ("AccountKey=", "SharedAccessKey="),
        r"(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{43,86}={1,2}",
    ),
    Format(
        "an Azure SAS signature",
        ("&sig=",),
        r"s[evtrip]=[^\s&]{1,40}&(?:[a-z]{2,5}=[^\s&]{0,60}&){0,12}sig=[A-Za-z0-9%+/]{43,80}",
        leads=False,
    ),
    Format("an Azure client secret", ("Q~",), r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}", leads=False),
    Format("an Azure DevOps token", ("AZDO",), r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4,5}", is_varied, leads=False),
    Format(
        "an Azure key",
        ("JQQJ9",),
        r"[A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9][A-L][A-Za-z0-9]{16}[A-Za-z][A-Za-z0-9]{7}",
        is_varied,
        leads=False,
    ),
    Format("a DigitalOcean token", ("dop_v1_", "doo_v1_", "dor_v1_"), r"do[opr]_v1_[0-9a-f]{64}"),
    _prefixed("an Alibaba Cloud key", "LTAI", r"[A-Za-z0-9]{20}"),
    Format("a Cloudflare token", ("cfk_", "cfut_", "cfat_"), r"cf(?:k|ut|at)_[A-Za-z0-9_-]{41,64}+"),
    Format("a Fly.io token", ("fo1_", "fm1a_", "fm1r_", "fm2_"), r"fo1_[\w-]{43}|fm(?:1[ar]|2)_[A-Za-z0-9+/]{100,}+"),
    Format("a Vault token", ("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[A-Za-z0-9_-]{90,}+"),
    Format("a Terraform Cloud token", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}+", leads=False),
    _prefixed("a Pulumi token", "pul-", r"[0-9a-f]{40}"),
    Format("a Doppler token", ("dp.",), r"dp\.(?:pt|ct|st|sa|scim|audit)\.(?:[\w-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    Format("a PlanetScale secret", ("pscale_",), r"pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_=.-]{32,64}+"),
    Format("a Supabase key", ("sbp_", "sb_secret_"), r"(?:sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{30,}+)"),
    _prefixed("a Netlify token", "nfp_", r"[A-Za-z0-9]{36}"),
    _prefixed("a Heroku key", "HRKU-AA", r"[A-Za-z0-9_-]{58}"),
    Format("a Tailscale key", ("tskey-",), r"tskey-[a-z]{3,12}-[A-Za-z0-9]{8,}+-[A-Za-z0-9]{20,}+"),
    Format("a Vercel token", ("vcp_", "vci_", "vca_", "vcr_", "vck_"), r"vc[piark]_[A-Za-z0-9_-]{56}"),
    _prefixed("a Neon key", "napi_", r"[A-Za-z0-9]{64}"),
    _prefixed("a Render key", "rnd_", r"[A-Za-z0-9]{28}"),
    _prefixed("a MongoDB Atlas secret", "mdb_sa_sk_", r"[A-Za-z0-9_-]{40}"),
    Format("a CockroachDB key", ("CCDB1_",), r"CCDB1_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}"),
    # Models
    Format("an Anthropic key", ("sk-ant-",), r"sk-ant-[a-z]{3,5}\d{2}-[A-Za-z0-9_-]{40,}+"),
    Format(
        "an OpenAI key",
        ("sk-",),
        r"sk-(?:[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{40,}+)",
    ),
    _prefixed("an OpenRouter key", "sk-or-v1-", r"[0-9a-f]{64}"),
    _prefixed("a Hugging Face token", "hf_", r"[A-Za-z]{34}"),
    _prefixed("a Groq key", "gsk_", r"[A-Za-z0-9]{52}"),
    _prefixed("an xAI key", "xai-", r"[A-Za-z0-9]{80}"),
    _prefixed("a Perplexity key", "pplx-", r"[A-Za-z0-9]{48}"),
    _prefixed("a Replicate token", "r8_", r"[A-Za-z0-9]{37}"),
    Format("a LangSmith key", ("lsv2_",), r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    Format("a Databricks token", ("dapi",), r"dapi[0-9a-f]{32}(?:-\d)?"),
    _prefixed("a DeepSeek key", "sk-", r"[0-9a-f]{32}"),
    _prefixed("an NVIDIA key", "nvapi-", r"[A-Za-z0-9_-]{60,70}"),
    _prefixed("a Cerebras key", "csk-", r"[a-z0-9]{48}"),
    _prefixed("a Together key", "tgp_v1_", r"[A-Za-z0-9_-]{43}"),
    Format("a Pinecone key", ("pcsk_",), r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{63}"),
    Format("a Langfuse key", ("sk-lf-",), r"sk-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    _prefixed("a RunPod key", "rpa_", r"[A-Z0-9]{40}[A-Za-z0-9]{6}"),
    # Packages and builds
    Format("an npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}", has_crc62),
    Format("a PyPI token", ("pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"), r"pypi-AgE[A-Za-z0-9_-]{60,}+"),
    _prefixed("a RubyGems key", "rubygems_", r"[0-9a-f]{48}"),
    _prefixed("a crates.io token", "cio", r"[A-Za-z0-9]{32}"),
    Format("a Clojars token", ("CLOJARS_",), r"CLOJARS_[0-9a-z]{60}"),
    Format("a NuGet key", ("oy2",), r"oy2[a-z0-9]{43}"),
    Format("a Docker Hub token", ("dckr_pat_", "dckr_oat_"), r"dckr_[po]at_[A-Za-z0-9_-]{27,32}"),
    Format("a JFrog key", ("AKCp",), r"AKCp[A-Za-z0-9]{69}"),
    Format("a CircleCI token", ("CCIPAT_", "CCIPRJ_"), r"CCIP(?:AT|RJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}"),
    Format("a Buildkite token", ("bkua_",), r"bkua_[0-9a-z]{40}"),
    Format("a Sonar token", ("squ_", "sqp_", "sqa_"), r"sq[upa]_[0-9a-f]{40}"),
    Format("a Harness token", ("pat.", "sat."), r"[ps]at\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),
    Format(
        "a Rails master key",
        ("RAILS_MASTER_KEY",),
        r"RAILS_MASTER_KEY\\{0,3}[\"']?\s{0,3}[:=]\s{0,3}\\{0,3}[\"']?[0-9a-f]{32}",
    ),
    # Payments and shops
    Format("a Stripe key", ("sk_live_", "rk_live_", "sk_prod_"), r"[sr]k_(?:live|prod)_[A-Za-z0-9]{20,}+"),
    Format("a Stripe webhook secret", ("whsec_",), r"whsec_[A-Za-z0-9+/]{32,}+"),
    Format("a Square token", ("sq0atp-", "sq0csp-"), r"sq0(?:atp-[\w-]{22}|csp-[\w-]{43})"),
    _prefixed("a Square token", "EAAA", r"[A-Za-z0-9_-]{60}"),
    Format("a Shopify token", ("shpat_", "shpca_", "shppa_", "shpss_"), r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    Format("a Braintree token", ("access_token$",), r"access_token\$production\$[a-z0-9]{16}\$[0-9a-f]{32}"),
    Format("a Plaid token", ("access-production-",), r"access-production-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    _prefixed("a Shippo key", "shippo_live_", r"[0-9a-f]{40}"),
    _prefixed("an EasyPost key", "EZAK", r"[A-Za-z0-9]{54}"),
    # Talk and mail
    Format(
        "a Slack token",
        ("xoxb-", "xoxp-", "xoxa-", "xoxo-", "xoxs-", "xoxr-", "xoxe-", "xoxc-", "xapp-", "xoxe."),
        r"(?:xoxe\.xox[bp]-|xox[abceoprs]-|xapp-)\d[\w-]{20,}+",
    ),
    Format("a Slack cookie", ("xoxd-",), r"xoxd-[A-Za-z0-9/+%]{80,}+"),
    Format("a Slack webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+]{40,}+"),
    Format("a Discord webhook", ("/api/webhooks/",), r"/api/webhooks/\d{17,20}/[\w-]{60,}+"),
    Format(
        "a Discord bot token",
        ("MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"),
        r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}",
        is_snowflake,
    ),
    Format("a Telegram bot token", (":AA",), r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", leads=False),
    Format("a SendGrid key", ("SG.",), r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Format("a Brevo key", ("xkeysib-",), r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    Format(
        "a Mailchimp key",
        ("-us",),
        r"(?i:mailchimp)[^\n]{0,60}?\b[0-9a-f]{32}-us[0-9]{1,2}|\b[0-9a-f]{32}-us[0-9]{1,2}\b[^\n]{0,80}?(?i:mailchimp)",
        leads=False,
    ),
    Format(
        "a Mailgun key",
        ("ailgun", "AILGUN", "api:key-"),
        r"(?:(?i:mailgun)[^\n]{0,60}?\b(?:key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8})|api:key-[0-9a-f]{32})",
        leads=False,
    ),
    _prefixed("a Resend key", "re_", r"[1-9A-HJ-NP-Za-km-z]{8}_[1-9A-HJ-NP-Za-km-z]{24}"),
    _prefixed("a MailerSend token", "mlsn.", r"[0-9a-f]{64}"),
    # Tools
    Format("a Linear key", ("lin_api_", "lin_oauth_"), r"lin_(?:api_[A-Za-z0-9]{40}|oauth_[0-9a-f]{64})"),
    _prefixed("a Notion token", "ntn_", r"[0-9]{11}[A-Za-z0-9]{35}"),
    Format("a Notion token", ("secret_",), r"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9_-])", is_mixed),
    Format("an Airtable token", ("pat",), r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    Format("a Figma token", ("figd_",), r"figd_[A-Za-z0-9_-]{40,}+"),
    Format("a Postman key", ("PMAK-", "PMAT-"), r"PMA(?:K-[0-9a-f]{24}-[0-9a-f]{34}|T-[A-Z0-9]{26})"),
    Format("a Grafana token", ("glsa_", "glc_"), r"(?:glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[A-Za-z0-9+/=]{40,}+)"),
    Format("a Sentry token", ("sntrys_", "sntryu_"), r"(?:sntrys_eyJ[A-Za-z0-9+/=_]{80,400}+|sntryu_[0-9a-f]{64})"),
    _prefixed("a New Relic key", "NRAK-", r"[A-Z0-9]{27}"),
    Format("a New Relic key", ("NRAL",), r"[0-9a-f]{36}NRAL", is_varied, leads=False),
    Format("a Dynatrace token", ("dt0c01.", "dt0s0"), r"dt0[cs]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    Format("a 1Password token", ("ops_eyJ",), r"ops_eyJ[A-Za-z0-9+/_=-]{200,1500}+"),
    Format("a 1Password secret key", ("A3-",), r"A3-[A-Z0-9]{6}-[A-Z0-9]{6}-?[A-Z0-9]{5}(?:-[A-Z0-9]{5}){3}"),
    Format("a Mapbox token", ("sk.eyJ", "tk.eyJ"), r"[st]k\.eyJ[A-Za-z0-9_-]{20,}+\.[A-Za-z0-9_-]{22}"),
    Format("a PostHog key", ("phx_",), r"phx_[A-Za-z0-9]{41,49}"),
    _prefixed("a Contentful token", "CFPAT-", r"[A-Za-z0-9_-]{43}"),
    Format("a ClickUp token", ("pk_",), r"pk_[0-9]{7,9}_[A-Z0-9]{32}"),
    _prefixed("an Okta token", "SSWS 00", r"[A-Za-z0-9_-]{40}"),
    Format("a Dropbox token", ("sl.",), r"sl\.(?:u\.)?[A-Za-z0-9_-]{130,}+"),
    _prefixed("a Prefect key", "pnu_", r"[A-Za-z0-9]{36}"),
    _prefixed("an OpenShift token", "sha256~", r"[A-Za-z0-9_-]{43}"),
    # Keys and logins without an issuer
    Format("a JSON Web Token", ("eyJ",), r"eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]{16,}+", is_signed_jwt),
    Format(
        "a private key",
        ("-----BEGIN ",),
        r"-----BEGIN (?:[A-Z0-9]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){40,400}",
        is_key_material,
    ),
    Format("a PuTTY private key", ("Private-Lines: ",), r"Private-Lines: \d{1,3}\s{1,4}[A-Za-z0-9+/]{40,}+"),
    Format("an age key", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}", has_bech32),
    Format(
        "a login in a header",
        ("asic ", "ASIC "),
        r"(?i:authorization\\{0,3}[\"']?\s{0,3}[:=]\s{0,3}\\{0,3}[\"']?basic )[A-Za-z0-9+/]{12,}+={0,2}",
        is_basic,
        leads=False,
    ),
    Format(
        "an address with a password",
        ("://",),
        r"://[^\s/@:\"'<>`]{0,100}:[^\s/@\"'<>`]{3,200}@(?!sha\d)(?:\[[\w:]{2,40}\]|\w[\w.-]{0,250})",
        is_login,
    ),
)
"""Every format, by where its secrets are used."""
