"""Encodings told by their letters: a cell or two must do, as columns of labels often hold no more."""

from __future__ import annotations

import pytest

from sae_core.data.encodings import guess_eight_bit, guess_encoding
from sae_core.data.table_source import open_source, scan

TEXTS = {
    "gbk": ["北京", "上海", "广州,正常,异常", "编号,年龄,城市,类别\n北京\n上海", "优秀 良好 及格",
        "男女", "高 中 低", "张三 李四 王五 赵六"],
    "shift_jis": ["さくら", "なまえ,身長,クラス\nさくら1,はい", "東京 大阪 名古屋", "男性 女性", "テスト"],
    "euc_jp": ["さくら はい いいえ", "クラス"],
    "big5": ["臺北高雄學生", "姓名 年齡 性別 男 女", "良好 普通 不良"],
    "euc_kr": ["서울부산", "이름 나이 성별 남자 여자", "서울 부산 대구 인천", "좋음 나쁨"],
    "cp1251": ["Москва", "возраст;город\nМосква;Казань", "да нет", "мужской женский", "Санкт-Петербург"],  # noqa: RUF001
    "koi8-r": ["Москва", "возраст город Казань"],
    "cp1250": ["Łódź Kraków Wrocław", "příjmení město Plzeň"],
    "cp1252": [
        "Zürich", "Größe Straße grün weiß", "année température ensoleillé", "à éviter", "São Paulo Brasília",
        "Malmö Göteborg Ängelholm",
        "50 µg/m³", "10 °C", "naïve café", "señor niño", "£5 €6", "Übergröße", "“quoted” – text",
    ],
    "cp1253": ["Αθήνα Θεσσαλονίκη", "ναι όχι"],  # noqa: RUF001
    "cp1254": ["İstanbul şehir ığdır"],  # noqa: RUF001
}  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "text"), [(encoding, text) for encoding, texts in TEXTS.items() for text in texts]
)
@pytest.mark.parametrize("times", [1, 40])
def test_letters_tell_the_encoding(encoding: str, text: str, times: int) -> None:
    content = "\n".join([text] * times).encode(encoding)
    assert content.decode(guess_eight_bit(content)) == content.decode(encoding)


LATIN, CHINESE, PLAIN = "name,size\nZürich,3\nGenève,4\n" * 9, "名前,大きさ\n東京,3\n大阪,4\n" * 9, "a,b\n1,2\n" * 9
UNICODE = [
    *((encoding, text) for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32") for text in (LATIN, CHINESE, PLAIN)),
    # Without a mark and with few ASCII characters, UTF-16 cannot be told from Chinese.
    *((encoding, text) for encoding in ("utf-16-le", "utf-16-be") for text in (LATIN, PLAIN)),
    ("ascii", PLAIN),
]


@pytest.mark.parametrize(("encoding", "text"), UNICODE)
def test_unicode_is_told_by_its_form(encoding: str, text: str) -> None:
    content = text.encode(encoding)
    found = guess_encoding(content[:4096], scan(open_source(content)))
    assert content.decode(found).removeprefix("\ufeff") == text


def test_a_few_broken_letters_do_not_turn_utf8_into_something_else() -> None:
    content = "x,Zürich\n".encode() * 200 + b"x,Z\xfcrich\n"
    assert guess_encoding(content[:4096], scan(open_source(content))) == "utf-8"


def test_scan_counts_the_whole_content() -> None:
    content = b'a,b\r\n"1",2\n3,\x00\r4,\xc3\xa9\n'
    found = scan(open_source(content))
    assert (found.size, found.lines, found.quotes, found.nul_line) == (len(content), 5, 2, 3)
    assert (found.is_ascii, found.is_utf8) == (False, True)
    assert found.odd_sample == b"4,\xc3\xa9"
