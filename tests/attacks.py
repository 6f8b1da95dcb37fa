"""Texts that try to run, to reach out or to break the page, as a model or a caller could write them."""

import ctypes
import os

MARK = "attacked"
"""What a payload sets on `window` when it runs: ``window.attacked`` is then true."""

RUN = f"window.{MARK}=true"

SCRIPTS = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f'"><script>{RUN}</script>',
    f"</textarea></title></style></pre></details><script>{RUN}</script>",
    f"<!--><script>{RUN}</script>-->",
    f"<scr<script>ipt>{RUN}</script>",
    f"]]></script><script>{RUN}</script>",
]
HANDLERS = [
    f'<img src=x onerror="{RUN}">',
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<details open ontoggle={RUN}><summary>x</summary></details>",
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src onerror={RUN}&gt;'>",
    f"<iframe srcdoc='<script>parent.{MARK}=true</script>'></iframe>",
    f"<video><source onerror={RUN}></video>",
]
LINKS = [
    f'<a href="javascript:{RUN}" autofocus>x</a>',
    f'<a href="&#106;ava&Tab;script:{RUN}">x</a>',
    f"[x](javascript:{RUN})",
    f'<form action="javascript:{RUN}"><button>x</button></form>',
    f'<meta http-equiv="refresh" content="0;url=javascript:{RUN}">',
    f'<object data="javascript:{RUN}"></object>',
    f'<base href="javascript:{RUN}//">',
]
STYLES = [
    "</style><style>body{display:none}</style>",
    "<style>*{background:url(http://attack.invalid/leak)}</style>",
    '<div style="position:fixed;inset:0;background:red url(http://attack.invalid/x)">over all</div>',
    "}*{display:none !important}",
    '<link rel="stylesheet" href="http://attack.invalid/x.css">',
    '<img src="http://attack.invalid/pixel.png">',
    "<span style='fill:url(http://attack.invalid/a)'>x</span>",
    "<b style=\"color:red;cursor:url('http://attack.invalid/b'),auto\">x</b>",
    "<i style='color:red;filter:\\75rl(//attack.invalid/c)' onclick=x>x</i>",
    "<a href='http://attack.invalid/d' style='fill:url(http://attack.invalid/e)'>x</a>",
]
TERMINALS = [
    "\x1b[31mred\x1b[0m \x1b]8;;http://attack.invalid\x07link\x1b]8;;\x07",
    "\x1b[2J\x1b]0;title\x07\x00\x08\x07",
]
FORMULAS = ['=HYPERLINK("http://attack.invalid","x")', "+1+1", "-1+1", "@SUM(A1)", "\t=1+1"]
SPOOFS = [
    "\u202egnp.exe",
    "{{ 7*7 }}{% raw %}",
    "${7*7} $5 and $10 $x$",
    "\ud7ff\u2028\u2029\ufeff",
    "a\u0000b",
]

TEXTS = [*SCRIPTS, *HANDLERS, *LINKS, *STYLES, *TERMINALS, *FORMULAS, *SPOOFS]
"""All of them."""

KEYS = [
    "/{outside}/x.jsonl.out",
    "../../../../x.jsonl.out",
    "a/../../../../x.jsonl.out",
    "./x.jsonl.out",
    "a//b.jsonl.out",
    "nul\0.jsonl.out",
    f"{'n' * 900}.jsonl.out",
    "p.jsonl.out/q.jsonl.out",
    "case.jsonl.out",
    "CON.jsonl.out",
    "aux.txt/x.jsonl.out",
    "dots./x.jsonl.out",
    "blank /x.jsonl.out",
    "C:\\x.jsonl.out",
    "..\\..\\x.jsonl.out",
    "\x1b[2J\u202e\n.jsonl.out",
    "objects.json/x.jsonl.out",
    ".p.jsonl.out.etag/x.jsonl.out",
    "~5e1f.jsonl.out",
]
"""Keys of outputs that are no path of a file on every system; two of them only beside `PLAIN_KEYS`."""

PLAIN_KEYS = ["p.jsonl.out", "Case.jsonl.out", "a/b/x y-é.jsonl.out"]


def drop_overrides() -> None:
    """Let modes of files hold for root too, in the program that is started next."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
