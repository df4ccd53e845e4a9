"""What people paste: personal values in many writings, and what looks like them and is not personal."""

from __future__ import annotations

NBSP, NARROW, THIN, HYPHEN, EN_DASH = "\u00a0", "\u202f", "\u2009", "\u2011", "\u2013"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----"

EMAILS = (
    "alice.smith+work@mail.example.co.uk",
    "j\u00f6rg@m\u00fcller.example",
    "alice\uff20example.com",
    "\uff41\uff4c\uff49\uff43\uff45@example.com",
    "ALICE@EXAMPLE.COM",
    "o'brien@example.ie",
    "alice%40example.com",
    "alice[at]example.com",
    "alice (at) example.com",
    "alice_b-c@sub.domain.example.org",
    "\u0438\u0432\u0430\u043d@\u043f\u043e\u0447\u0442\u0430.\u0440\u0444",
    "\u7528\u6237@\u4f8b\u5b50.\u5e7f\u544a",
    "user@xn--e1afmkfd.xn--p1ai",
    "alice@\u200bexample.com",
    "a@b.io",
    "1234567@qq.com",
    "first.last@university.museum",
)
PHONES = (
    # Germany, Austria, Switzerland
    *("+49 (176) 1234-5678", "0176 12345678", "0049 30 901820", "+49 30 901820", "030/901820", "030 - 90 18 20"),
    *("+49 (0)30 901820", "(030) 901820", "+4915112345678", "015112345678", "0151/12345678", "0151 123 456 78"),
    *("+43 1 5858 1234", "0664 1234567", "+43 664 1234567", "+41 44 668 18 00", "044 668 18 00", "079 123 45 67"),
    # North America
    *("+15551234567", "(555) 123-4567", "555-123-4567", "555.123.4567", "2125550123", "1-800-555-0199"),
    *("+1 (212) 555-0123", "212 555 0123", "(212)555-0123", "+1.212.555.0123", "001 212 555 0123", "+1-416-555-0123"),
    # France, Belgium, Netherlands, Luxembourg
    *("06 12 34 56 78", "0612345678", "06.12.34.56.78", "06-12-34-56-78", "+33 6 12 34 56 78", "+33612345678"),
    *("0033 6 12 34 56 78", "+33 (0)6 12 34 56 78", "+32 470 12 34 56", "0470 12 34 56", "0470/12.34.56"),
    *("+31 6 12345678", "06-12345678", "020 123 4567", "+352 621 123 456"),
    # United Kingdom, Ireland
    *("+44 20 7946 0958", "020 7946 0958", "(020) 7946 0958", "+44 (0)20 7946 0958", "07700 900123", "07700900123"),
    *("+44 7700 900123", "+353 85 012 3456", "085 012 3456"),
    # Spain, Italy, Portugal, Greece
    *("+34 612 34 56 78", "612 34 56 78", "+34612345678", "+39 347 123 4567", "347 1234567", "+39 06 698 1234"),
    *("06 6981234", "+351 912 345 678", "+30 210 123 4567", "210 1234567"),
    # Nordic and Baltic states, Poland, Czechia
    *("+46 70 123 45 67", "070-123 45 67", "+47 22 12 34 56", "+45 32 12 34 56", "+358 40 1234567", "040 1234567"),
    *("+48 512 345 678", "512-345-678", "+420 601 123 456", "+372 5123 4567", "+370 612 34567"),
    # elsewhere
    *("+7 912 345-67-89", "8 (912) 345-67-89", "+380 50 123 4567", "+90 532 123 45 67", "0532 123 45 67"),
    *("+91 98765 43210", "98765 43210", "+919876543210", "+86 138 0013 8000", "138 0013 8000", "+81 3-1234-5678"),
    *("03-1234-5678", "090-1234-5678", "+82 10-1234-5678", "010-1234-5678", "+61 412 345 678", "0412 345 678"),
    *("(02) 9876 5432", "+64 21 123 4567", "+55 11 91234-5678", "(11) 91234-5678", "+52 55 1234 5678"),
    *("+27 82 123 4567", "082 123 4567", "+971 50 123 4567", "+972 50-123-4567", "050-123-4567", "+65 6123 4567"),
    *("+234 803 123 4567", "+20 10 1234 5678", "+966 50 123 4567", "+92 300 1234567", "+62 812-3456-789"),
    # with other people's signs
    f"+49{NBSP}176{NBSP}12345678",
    f"0176{NARROW}12345678",
    f"06{THIN}12{THIN}34{THIN}56{THIN}78",
    f"555{HYPHEN}123{HYPHEN}4567",
    f"+1{EN_DASH}212{EN_DASH}555{EN_DASH}0123",
    "+49\t176\t12345678",
    "0176  12345678",
    "+49 176\n12345678",
    "\uff0b\uff14\uff19 \uff11\uff17\uff16 \uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
    "\u0660\u0661\u0667\u0666 \u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    "0176\u200b12345678",
)
NAMED_PHONES = (
    *("Phone: 22 12 34 56", "Tel. 512 345 678", "tel: 6123 4567", "mobile 912345678", "call me at 5551234"),
    *("Telefon: 32123456", "Handy 17612345678", "M\u00f3vil: 612345678", "T\u00e9l : 612345678", "WhatsApp 5512345678"),
    *("\u7535\u8bdd\uff1a13800138000", "\u0442\u0435\u043b. 9123456789", "phone (number): 8005550199", "fax: 555-0199"),
)
"""The value is what begins with the first digit."""
IBANS = (
    *("DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32"),
    *("fr14 2004 1010 0505 0001 3m02 606", "AT61 1904 3002 3457 3201", "CH93 0076 2011 6238 5295 7"),
    *(
        "NL91ABNA0417164300",
        "BE68 5390 0754 7034",
        "ES91 2100 0418 4502 0005 1332",
        "IT60 X054 2811 1010 0000 0123 456",
    ),
    *("PL61109010140000071219812874", "SE45 5000 0000 0583 9825 7466", "NO93 8601 1117 947", "FI21 1234 5600 0007 85"),
    *("DK50 0040 0440 1162 43", "PT50 0002 0123 1234 5678 9015 4", "IE29 AIBK 9311 5212 3456 78"),
    *("GR16 0110 1250 0000 0001 2300 695", "TR33 0006 1005 1978 6457 8413 26", "CZ65 0800 0000 1920 0014 5399"),
    *("SA03 8000 0000 6080 1016 7519", "AE07 0331 2345 6789 0123 456", "BR18 0036 0305 0000 1000 9795 493C 1"),
    *("DE89-3704-0044-0532-0130-00", f"DE89{NBSP}3704{NBSP}0044{NBSP}0532{NBSP}0130{NBSP}00"),
    *(
        "DE89\n3704\n0044\n0532\n0130\n00",
        "DE89 3704  0044 0532 0130 00",
        f"DE89{NARROW}3704{NARROW}0044{NARROW}0532{NARROW}0130{NARROW}00",
    ),
    "\uff24\uff25\uff18\uff19370400440532013000",
)
CARDS = (
    *("4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "4111-1111-1111-1111", "4111.1111.1111.1111"),
    *("4111  1111  1111  1111", "4111\t1111\t1111\t1111", "4111\n1111\n1111\n1111", "4111/1111/1111/1111"),
    *("5555 5555 5555 4444", "5105105105105100", "2223003122003222", "378282246310005", "3714 496353 98431"),
    *("6011111111111117", "6011 0009 9013 9424", "3530111333300000", "3056 930902 5904", "6200000000000005"),
    *("4222222222222", "5019717010103742", "6304000000000000", "2200 0000 0000 0053"),
    f"4111{NBSP}1111{NBSP}1111{NBSP}1111",
    f"4111{NARROW}1111{NARROW}1111{NARROW}1111",
    f"4111{HYPHEN}1111{HYPHEN}1111{HYPHEN}1111",
    f"4111{EN_DASH}1111{EN_DASH}1111{EN_DASH}1111",
    "\uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11",
    "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661",
    "41111111\u200b11111111",
)
SSNS = (
    *("123-45-6789", "912 70 1234", "123 45 6789", "536-90-4399", "123.45.6789", "078-05-1120"),
    f"123{HYPHEN}45{HYPHEN}6789",
    f"123{EN_DASH}45{EN_DASH}6789",
    f"123{NBSP}45{NBSP}6789",
    "\uff11\uff12\uff13-\uff14\uff15-\uff16\uff17\uff18\uff19",
)
NATIONAL_IDS = (
    *("943 476 5919", "RSSMRA85T10A562S", "rssmra85t10a562s", "RSS MRA 85T10 A562S", "86095742719", "86 095 742 719"),
    *("44051401359", "1 85 05 78 006 084 91", "185057800608491", "2 95 10 99 126 111 93", "2341 2341 2346"),
    *("85.07.30-033.28", "85073003328", "756.9217.0769.85", "7569217076985", "1237 010180", "211062-5629"),
    *("151086 95088", "15108695088", "811218-9876", "19811218-9876", "131052-308T", "120174-3399", "710319/2745"),
    *("1630615123457", "54362315K", "54.362.315-K", "X2482300W", "6433435F", "AB 12 34 56 C", "AB123456C"),
    *("10000000146", "390.533.447-05", "39053344705", "20-05536168-2", "112-233-445 95", "12.531.909-2"),
    *("11010519491231002X", "971013-9019902", "770305-02-1234", "34201-0891231-8", "0101006500006", "7503305044089"),
    *("BOXW310820HNERXN09", "AAPPV8261K", "S1234567D", "37605030299", "01013099997"),
    f"2341{NBSP}2341{NBSP}2346",
    "44051401359\u200b",
)
NAMED_IDS = (
    *(
        "SSN 536904399",
        "NHS number: 9434765919",
        "BSN: 111222333",
        "BSN 1112.22.333",
        "SIN 123 456 782",
        "TFN 123 456 782",
    ),
    *("NIF 501442600", "EGN 7552010005", "OIB: 33392005961", "CPR 2110625629", "kennitala 1201743399"),
    *(
        "NIP 8567346215",
        "PESEL: 440514 01359",
        "r\u010d 7103192745",
        "Aadhaar: 234123412346",
        "\u0418\u041d\u041d 500100732259",
    ),
)
SECRETS = (
    *(
        "sk-proj-abcDEF1234567890abcDEF1234567890",
        "sk-1234567890abcdef1234567890abcdef",
        "sk-abcdefghijklmnopqrstuvwxyz",
    ),
    *(
        "sk-ant-api03-AbCdEf123456_-AbCdEf123456",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "rk_test_" + "4eC39HqLyjWDarjtT1",
    ),
    *("ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz"),
    *("glpat-ABCdef1234567890abcd", "xoxb-" + "123456789012-123456789012-AbCdEfGhIjKl", "AKIAIOSFODNN7EXAMPLE"),
    *("AIza" + "SyA1234567890abcdefghijklmnopqrstuv", "ya29.a0AfH6SMBx1234567890abcdef", "npm_" + "a1B2" * 9),
    *("hf_" + "AbCdEfGhIjKlMnOpQrStUvWx12", "SG." + "abcdefghij1234567890AB" + "." + "x" * 43, "gsk_" + "a1B2" * 12),
    *("SK" + "0123456789abcdef" * 2, "key-" + "0123456789abcdef" * 2, "dop_v1_" + "0123456789abcdef" * 4),
    *(
        "shpat_" + "0123456789abcdef" * 2,
        "123456789:AAF" + "a1B2-c3D4" * 3 + "abcde",
        "hvs." + "CAESIAbCdEf1234567890abc",
    ),
    *("pypi-" + "AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAw", "whsec_" + "a1B2c3D4e5F6g7H8i9", "ASIA" + "IOSFODNN7EXAMPLE"),
    *(JWT, PEM, PEM.replace("PRIVATE", "RSA PRIVATE"), PEM.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY")),
    *(
        "postgres://app:s3cret@db.internal:5432/app",
        "postgresql+psycopg://u:p%40ss@10.0.0.5/x",
        "redis://:hunter22@cache:6379/0",
    ),
    *("mongodb+srv://user:Pa55word@cluster0.abcde.mongodb.net/db", "amqp://guest:guest@localhost:5672//"),
    *(
        "mysql://root:root@127.0.0.1/shop",
        "https://user:token123@github.com/acme/app.git",
        "smtp://me%40x.io:pw@mail.x.io:587",
    ),
    "orca_abcdefghijkl_" + "a1B2c3D4" * 5,
)
NAMED_SECRETS = (
    ("Server=tcp:db;Database=x;User Id=sa;Password=Sup3r!pass;Encrypt=true", "Sup3r!pass"),
    ("host=db user=app password=hunter2 dbname=x", "hunter2"),
    ("jdbc:postgresql://db/x?user=app&password=hunter2", "hunter2"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AccountName=x;AccountKey=abcDEF123+/abcDEF123==;EndpointSuffix=y", "abcDEF123+/abcDEF123=="),
    ("Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=abcDEF123456=", "abcDEF123456="),
    ('api_key: "0123456789abcdef"', "0123456789abcdef"),
    ("export OPENWEATHER_API_KEY=0123456789abcdef", "0123456789abcdef"),
    ('{"client_secret": "GxQ~8Zabcdef"}', "GxQ~8Zabcdef"),
    ("Authorization: Bearer abcdef1234567890abcdef", "abcdef1234567890abcdef"),
    ("Authorization: Basic dXNlcjpwYXNzd29yZDE=", "dXNlcjpwYXNzd29yZDE="),
    ("https://x.blob.core.windows.net/c?sv=2022&sig=abc123%2Fabc123abc123%3D", "abc123%2Fabc123abc123%3D"),
    ("password: hunter2!", "hunter2!"),
)
ADDRESSES_OF_MACHINES = (
    *("192.168.0.17", "8.8.8.8", "203.0.113.7", "10.0.0.1", "2001:db8::ff00:42:8329", "fe80::1"),
    *("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "::ffff:192.0.2.1", "\uff11\uff10.0.0.7"),
)
PERSONAL = {
    "EMAIL": EMAILS,
    "PHONE": PHONES,
    "IBAN": IBANS,
    "CARD": CARDS,
    "SSN": SSNS,
    "ID": NATIONAL_IDS,
    "SECRET": SECRETS,
    "IP": ADDRESSES_OF_MACHINES,
}

HARMLESS = (
    # numbers without check digits, and digits of computers
    *("4111111111111112", "1234567890123456", "DE89370400440532013001", "000000000000000000", "3.14159265358979"),
    *("1735689600", "1735689600000", "1735689600.123", "call_4111111111111111x", "2147483647", "4294967296"),
    *("9223372036854775807", "18446744073709551615", "0x7fffffff", "65536", "1048576", "16777216"),
    # dates and times
    *("10:30:45", "2024-05-06 10:30", "01.02.2024", "2024-05-06T10:30:00Z", "2024-05-06T10:30:00.123456+02:00"),
    *("05/06/2024", "5/6/24", "6 May 2024", "20240506", "20240506T103000", "2024/05/06", "06-05-2024", "1990-2024"),
    *("2024-05-06 to 2024-05-31", "01.02.2024 10:30", "01.02.2024, 02.03.2024", "12:00-13:30", "1985-12-10", "Q3 2024"),
    *("2024-W19", "2024-127", "May 2024", "08:15", "23:59:59.999", "00:00", "1999 2000 2001 2002", "31.12.1999 23:59"),
    # versions and identifiers of software
    *(
        "version 5.2.19",
        "v1.2.3.4",
        "version 10.0.19041.1",
        "Chrome/120.0.0.0",
        "release 1.2.3.4",
        "1.2.3.4-rc1",
        "1.2.3.4+build5",
        "300.1.2.3",
        "3.11.7",
    ),
    *("1.0.0-rc.1", "2024.05.1", "python 3.11.7", "django==5.2.19", "numpy>=2.4.6,<3", "section 4.2.1.3", "RFC 9110"),
    *("550e8400-e29b-41d4-a716-446655440000", "a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e"),
    *(
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    *("arn:aws:s3:::bucket", "ISO 8601", "UTF-8", "CVE-2024-12345", "PR #12345", "#4155552671", "build 20240506.3"),
    # counts, prices, ranges, measures
    *("1,234,567.89", "1.234.567,89", "1 234 567", "12345", "1234567", "12345678", "123456789", "1234567890"),
    *(
        "123 456 789",
        "1 000 000 000",
        "100-200",
        "10-20 mg",
        "1.5-2.5",
        "3-4",
        "50%",
        "$1,299.00",
        "\u20ac 1.299,00",
        "99.99",
    ),
    *("2345678901 rows", "4155552671 bytes", "order 4155552671", "invoice no 20240001", "1200 tokens", "3 of 10"),
    *("12 345 678", "40 000 inhabitants", "2^31", "1e10", "6.022e23", "1/3", "16:9", "1920x1080", "300 dpi", "-40"),
    *("0.000001", "0.123456789", "99.999999", "100000000", "7 8 9 10 11 12", "1 2 3 4 5 6 7 8 9 10", "10 20 30 40 50"),
    # medicine
    *(
        "120/80",
        "BP 120/80 mmHg",
        "HbA1c 6.5 %",
        "5.4 mmol/L",
        "E11.9",
        "J45.909",
        "M54.5",
        "ICD-10 Z00.00",
        "37.8 \u00b0C",
    ),
    *("500 mg 1-0-1", "1-1-1-0", "SpO2 98%", "GFR 60 ml/min", "LOINC 4548-4", "SNOMED 44054006", "140/90", "eGFR > 90"),
    *("2 x 500 mg", "0.9 % NaCl", "70 kg, 175 cm", "Na 140, K 4.2", "pH 7.35-7.45"),
    # books, places, others
    *(
        "978-3-16-148410-0",
        "9783161484100",
        "ISBN 3-16-148410-X",
        "ISSN 2049-3630",
        "10.1000/182",
        "48.137154, 11.576124",
    ),
    *(
        "-33.8688, 151.2093",
        "48\u00b08'N 11\u00b034'E",
        "4006381333931",
        "chapter 3.2.1",
        "pp. 123-145",
        "Boeing 747-400",
    ),
    *(
        "127.0.0.1",
        "::1",
        "0.0.0.0/0",
        "255.255.255.0",
        "localhost:8000",
        "me@home",
        "@decorator",
        "std::string",
        "a::b",
    ),
    *(
        "[1, 2, 3]",
        "x = 10",
        "f(1, 2)",
        "for i in range(100):",
        "SELECT * FROM t WHERE id = 42",
        "#ff8800",
        "rgb(255, 128, 0)",
    ),
    *("password: required", "password = get_password()", "api_key: str", "secret = settings.SECRET_KEY", "token: none"),
    *(
        "https://user:${PASSWORD}@host/x",
        "sk-learn-compatible-estimators",
        "Bearer authentication",
        "Basic understanding",
    ),
    *(
        "skip",
        "task-1",
        "AC/DC",
        "eyJ",
        "pk_123",
        "-----",
        "A1",
        "B-52",
        "C3PO",
        "MP3",
        "H2O",
        "G20",
        "2FA",
        "AS1234567890",
    ),
    *("DIN EN 1090-2", "ISO 27001:2022", "IEC 60601-1", "EN 50128", "Article 6(1)(f)", "\u00a7 203", "GDPR Art. 9"),
)
