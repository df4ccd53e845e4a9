"""Values in writings that were tried later: of addresses and HTML, of code, of more countries, and names in any script.

Each value is found as a whole, in the form in which it stands here.
"""

from __future__ import annotations

FIGURE, IDEOGRAPHIC, HAIR, WORD_JOINER = "\u2007", "\u3000", "\u200a", "\u2060"

PHONES = (
    # Kenya, Argentina, Colombia, Vietnam, Hungary, Romania, Ukraine, Philippines, Malaysia, Chile
    *("+254 712 345678", "0712 345678", "+54 9 11 2345-6789", "+57 301 2345678", "+84 91 234 56 78", "091 234 56 78"),
    *("+36 30 123 4567", "06 30 123 4567", "+40 722 123 456", "0722 123 456", "+380 (50) 123-45-67", "050 123 45 67"),
    *("+63 917 123 4567", "0917 123 4567", "+60 12-345 6789", "012-345 6780", "+56 9 1234 5678", "+66 81 234 5678"),
    # written for machines
    *("%2B4917612345678", "+49%20176%2012345678", "+49&nbsp;176&nbsp;12345678", "&#43;49 176 12345678"),
    *("0176_12345678", "0176\u202212345678", f"0176{FIGURE}12345678", f"0176{IDEOGRAPHIC}12345678"),
    f"+49{HAIR}176{WORD_JOINER}{HAIR}12345678",
)
EMAILS = (
    *("alice&#64;example.com", "alice&#x40;example.com", "alice&commat;example.com", "alice%2Bwork%40example.com"),
    "a.b%2Dc@example.com",
)
IBANS = (
    f"DE89{FIGURE}3704{FIGURE}0044{FIGURE}0532{FIGURE}0130{FIGURE}00",
    *("DE89%203704%200044%200532%200130%2000", "DE89&nbsp;3704&nbsp;0044&nbsp;0532&nbsp;0130&nbsp;00"),
    *(
        "DE89_3704_0044_0532_0130_00",
        "NL91 ABNA 0417 1643 00",
        "LI21 0881 0000 2324 013A A",
        "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
    ),
)
CARDS = (
    "4111_1111_1111_1111",
    "4111\u20221111\u20221111\u20221111",
    "4111%201111%201111%201111",
    "4111&#8209;1111&#8209;1111&#8209;1111",
)
SSNS = ("123 - 45 - 6789", "123_45_6789", "123&#8209;45&#8209;6789", "123%2D45%2D6789")
IDS = ("RSSMRAURTMLARSNL", "rssmraurtmlarsnl")
"""A codice fiscale of which all digits are letters; its check letter is computed by the test that lists them."""
SECRETS = (
    *("tvly-" + "dev-a1B2c3D4" * 3, "lsv2_pt_" + "0123456789abcdef" * 2 + "_0123456789", "sbp_" + "0123456789" * 4),
    *("figd_" + "a1B2-c3D4" * 4, "nfp_" + "a1B2c3D4" * 5, "csk-" + "a1b2c3d4" * 6, "jina_" + "a1B2c3D4" * 8),
    *("dor_v1_" + "0123456789abcdef" * 4, "sk-or-v1-" + "0123456789abcdef" * 4),
)
ODD = {
    "PHONE": PHONES,
    "EMAIL": EMAILS,
    "IBAN": IBANS,
    "CARD": CARDS,
    "SSN": SSNS,
    "ID": IDS,
    "SECRET": SECRETS,
}
NAMED_SECRETS = (
    ("aws_session_token = IQoJb3JpZ2luX2VjEA0aCXVz", "IQoJb3JpZ2luX2VjEA0aCXVz"),
    ("DISCORD_BOT_TOKEN=abc.def-123", "abc.def-123"),
    ('"idToken": "a1b2c3d4"', "a1b2c3d4"),
    ("signing_key: 'hunter22'", "hunter22"),
    ("x-csrf-token: 9f8e7d6c5b", "9f8e7d6c5b"),
)
HARMLESS = (
    *("responsibilities", "uncharacteristic", "telecommunications", "RESPONSIBILITIES", "straightforwardly"),
    *(
        "AT&T; 2024",
        "a &amp; b",
        "R&D",
        "50%20 of it",
        "100%",
        "5 %2 == 1",
        "x%20y",
        "1_000",
        "1_000_000",
        "10_000_000",
    ),
    *("1_234_567", "snake_case_2024_05_06", "\u2022 one \u2022 two", "1 \u2022 2 \u2022 3", "3\u22c54", "&lt;b&gt;"),
    *("id token", "user token: required", "csrf_token()", "MAX_TOKENS = 4096", "token_count=12", "&copy; 2024"),
)
NAMED = (
    # the term, a text, what is found in it
    ("Jos\u00e9 Garc\u00eda", "Ask Jose\u0301 Garci\u0301a today", "Jose\u0301 Garci\u0301a"),
    ("Jos\u00e9 Garc\u00eda", "Ask JOSE GARCIA today", "JOSE GARCIA"),
    ("Zo\u00eb Kr\u00fcger", "zo\u00eb  kru\u0308ger's file", "zo\u00eb  kru\u0308ger"),
    ("\u7530\u4e2d\u592a\u90ce", "\u79c1\u306f\u7530\u4e2d\u592a\u90ce\u3067\u3059\u3002", "\u7530\u4e2d\u592a\u90ce"),
    ("\u7530\u4e2d\u592a\u90ce", "\u7530\u4e2d\u3000\u592a\u90ce\u69d8", "\u7530\u4e2d\u3000\u592a\u90ce"),
    ("\u3055\u304c \u3058\u3093", "\u3055\u304c\u3058\u3093\u3055\u3093", "\u3055\u304c\u3058\u3093"),
    ("\uae40\ucca0\uc218", "\uae40\ucca0\uc218\ub294 \uc654\ub2e4", "\uae40\ucca0\uc218"),
    (
        "\u0e2a\u0e21\u0e0a\u0e32\u0e22",
        "\u0e04\u0e38\u0e13\u0e2a\u0e21\u0e0a\u0e32\u0e22\u0e21\u0e32",
        "\u0e2a\u0e21\u0e0a\u0e32\u0e22",
    ),
    ("\u0938\u0940\u0924\u093e", "\u0938\u0940\u0924\u093e\u0964 \u0939\u0948", "\u0938\u0940\u0924\u093e"),
    (
        "\u0623\u062d\u0645\u062f",
        "\u0642\u0627\u0644 \u0623\u062d\u0645\u062f\u060c \u0646\u0639\u0645",
        "\u0623\u062d\u0645\u062f",
    ),
    ("Ada Lovelace", "ADA_LOVELACE.pdf", "ADA_LOVELACE"),
    ("Ada Lovelace", "q=Ada%20Lovelace&x", "Ada%20Lovelace"),
    ("Ada Lovelace", "Ada&nbsp;Lovelace", "Ada&nbsp;Lovelace"),
    (
        "Ada Lovelace",
        "\uff21\uff44\uff41 \uff2c\uff4f\uff56\uff45\uff4c\uff41\uff43\uff45",
        "\uff21\uff44\uff41 \uff2c\uff4f\uff56\uff45\uff4c\uff41\uff43\uff45",
    ),
    ("O'Brien", "Mr O\u2019Brien", "O\u2019Brien"),
    ("Stra\u00dfe 5", "STRASSE 5", "STRASSE 5"),
    ("12 St James's Square", "12, St. James\u2019s Square", "12, St. James\u2019s Square"),
)
NOT_NAMED = (
    ("Ada Lovelace", "Ada lives in Lovelace"),
    ("Mark", "marked, Denmark, trademark"),
    ("\u0623\u062d\u0645\u062f", "\u0645\u062d\u0645\u062f"),
    ("\u3055\u304c", "\u3055\u304b"),
)
