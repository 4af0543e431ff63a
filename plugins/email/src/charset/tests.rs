use super::*;

/// Text, its name in mail, and its bytes, as the encoders of `encoding_rs` and the RFCs have them.
fn encoded(text: &str, label: &str) -> Vec<u8> {
    Encoding::for_label(label.as_bytes()).unwrap_or(UTF_8).encode(text).0.into_owned()
}

#[test]
fn a_vendors_name_is_as_good_as_the_registered_one() {
    for (names, label, text) in [
        (
            &[
                "cp932",
                "CP-932",
                "sjis-win",
                "SJIS",
                "x-sjis",
                "MS932",
                "windows-31j",
                "Shift_JIS",
                "\"shift-jis\"",
                "ibm-943",
            ][..],
            "shift_jis",
            "株式会社①髙",
        ),
        (&["eucjp-win", "eucJP-ms", "x-euc-jp", "ujis", "CP51932"], "euc-jp", "株式会社"),
        (&["x-windows-949", "cp949", "ks_c_5601-1987", "KSC5601", "uhc", "euc-kr", "ms949"], "euc-kr", "안녕하세요 똠"),
        (&["cp936", "gb2312", "GB_2312-80", "x-gbk", "EUC-CN", "ms936", "chinesegb18030"][..6], "gbk", "你好吗"),
        (&["cp950", "big5-hkscs", "Big5-ETEN", "x-windows-950"], "big5", "您好嗎"),
        (&["x-mac-roman", "macroman", "macintosh"], "macintosh", "Größe"),
        (&["iso-8859-8-i", "iso8859-8", "logical"], "iso-8859-8", "שלום"),
        (&["iso8859-2", "latin2", "ISO_8859-2:1987", "cp28592", "8859_2", "l2"], "iso-8859-2", "Příliš žluťoučký"),
        (
            &["windows-1251", "win-1251", "cp1251", "x-cp1251", "'windows-1251'", "windows1251"],
            "windows-1251",
            "Привет",
        ),
        (&["koi8-r", "koi8", "cp20866"], "koi8-r", "Привет"),
        (&["tis-620", "windows-874", "iso-8859-11", "cp874"], "windows-874", "สวัสดี"),
        (&["iso-8859-15", "latin9", "iso8859_15"], "iso-8859-15", "5 €"),
        (&["'iso-8859-1'", "latin1", "cp819", "iso-8859-1*en", "<iso-8859-1>"], "iso-8859-1", "Café"),
        (&["cp50221", "iso-2022-jp-ms", "ISO-2022-JP"], "iso-2022-jp", "テストです。"),
    ] {
        for name in names {
            assert_eq!(decoded(&encoded(text, label), Some(name)), text, "{name}");
        }
    }
    for name in ["", "x-nonsense", "klingon-8", "cp99999", "9"] {
        assert!(!is_known(name), "{name}");
    }
}

#[test]
fn the_sets_of_dos_and_the_macintosh_are_read() {
    for (name, bytes, text) in [
        ("ibm437", &b"Gr\x94\xe1e"[..], "Größe"),
        ("cp-850", b"Gr\x94\xe1e", "Größe"),
        ("cp858", b"5 \xd5", "5 €"),
        ("cp852", b"P\xfd\xa1li\xe7", "Příliš"),
        ("cp00858", b"\x80", "Ç"),
        ("x-mac-ce", b"P\xde\x92li\xe4", "Příliš"),
        ("hp-roman8", b"Caf\xc5", "Café"),
    ] {
        assert_eq!(decoded(bytes, Some(name)), text, "{name}");
    }
}

#[test]
fn seven_bits_with_a_state_are_read_declared_or_not() {
    let korean = b"\x1b$)C\r\n\x0e>H3gGO<<?d\x0f\r\nok";
    assert_eq!(decoded(korean, Some("iso-2022-kr")).trim(), "안녕하세요\r\nok");
    assert_eq!(decoded(korean, None).trim(), "안녕하세요\r\nok");
    assert_eq!(decoded(b"ni hao: ~{Dc:C~}! ~~ ~{Dc\nx", Some("hz-gb-2312")), "ni hao: 你好! ~ 你\nx");
    assert_eq!(decoded(b"Hi Mom -+Jjo--! +ZeVnLIqe- 1+-1", Some("utf-7")), "Hi Mom -☺-! 日本語 1+1");
    assert_eq!(decoded(b"+AOk", Some("unicode-1-1-utf-7")), "é");
    let japanese = encoded("テストです。", "iso-2022-jp");
    for declared in [None, Some("us-ascii"), Some("utf-8"), Some("iso-8859-1")] {
        assert_eq!(decoded(&japanese, declared), "テストです。", "{declared:?}");
    }
}

#[test]
fn what_is_utf_8_is_read_as_utf_8() {
    let text = "Zürich – ok";
    for declared in
        [None, Some("iso-8859-1"), Some("windows-1252"), Some("us-ascii"), Some("iso-8859-2"), Some("koi8-r")]
    {
        assert_eq!(decoded(text.as_bytes(), declared), text, "{declared:?}");
    }
    for declared in ["gb2312", "shift_jis", "euc-kr", "big5", "iso-2022-jp", "utf-7"] {
        assert_eq!(decoded("您好，世界。".as_bytes(), Some(declared)), "您好，世界。", "{declared}");
    }
    // Two characters of a legacy set may be UTF-8 by accident.
    let accident = encoded("一隆", "gbk");
    assert_eq!(decoded(&accident, Some("gb2312")), "一隆");
}

#[test]
fn a_broken_character_does_not_make_utf_8_another_set() {
    let cut = &"Grüße aus Zürich, schöne Grüße".as_bytes()[..8];
    assert!(decoded(&[cut, b"\xc3"].concat(), Some("utf-8")).starts_with("Grüße "));
    assert_eq!(decoded(b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe", Some("iso-8859-1")), "Grüße");
    assert_eq!(decoded(b"\xff\xfeH\0i\0", None), "Hi");
    assert_eq!(decoded(b"\0H\0i", Some("utf-16")), "Hi");
    assert_eq!(decoded(b"H\0i\0", Some("utf-16")), "Hi");
    assert_eq!(decoded(b"Caf\xe9", Some("x-user-defined")), "Café");
}

#[test]
fn what_says_nothing_is_guessed_by_its_letters() {
    for (label, text) in [
        ("windows-1252", "Größe und Maße für Müller"),
        ("windows-1251", "Здравствуйте, где мой заказ? Я жду уже две недели."),
        ("shift_jis", "お世話になっております。注文はどこですか。"),
        ("euc-kr", "안녕하세요. 제 주문은 어디에 있나요?"),
        ("gbk", "您好，我的订单在哪里？谢谢您的帮助。"),
        ("big5", "您好，我的訂單在哪裡？謝謝您的幫助。"),
    ] {
        assert_eq!(decoded(&encoded(text, label), None), text, "{label}");
    }
}

#[test]
fn a_short_field_is_western_unless_its_letters_are_surely_others() {
    assert_eq!(of_header(b"Gr\xf6\xdfe.png", None), "Größe.png");
    assert_eq!(of_header(b"J\xfcrgen", Some("utf-8")), "Jürgen");
    assert_eq!(of_header(&encoded("Счёт на оплату", "windows-1251"), None), "Счёт на оплату");
    assert_eq!(of_header(&encoded("Счёт", "koi8-r"), Some("koi8-r")), "Счёт");
}
