"""Table files as people have them: each loads at the first try, with roles and kinds as a person would guess."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from sae_core.data.tables import inspect_table, read_table

ROWS = 60
KINDS = {"n": "numeric", "c": "category", "d": "date", "b": "boolean", "t": "text"}
ROLES = {"f": "feature", "i": "identifier", "x": "ignore"}


@dataclass(frozen=True)
class Shape:
    """A file and what is expected: `columns` as "name role kind" (f/i/x, n/c/d/b/t)."""

    content: bytes
    columns: tuple[str, ...]
    label: str | None = None
    rows: int = ROWS
    dialect: dict[str, object] | None = None
    first: dict[str, object] | None = None
    name: str = "table.csv"


SHAPES: dict[str, Callable[[], Shape]] = {}


def shape(function: Callable[[], Shape]) -> Callable[[], Shape]:
    SHAPES[function.__name__] = function
    return function


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def flowers() -> pd.DataFrame:
    random = rng()
    return pd.DataFrame(
        {
            "sepal length": random.normal(5.8, 0.8, ROWS).round(1),
            "sepal width": random.normal(3, 0.4, ROWS).round(1),
            "petal length": random.normal(3.7, 1.7, ROWS).round(1),
            "species": random.choice(["setosa", "versicolor", "virginica"], ROWS),
        }
    )


FLOWERS = ("sepal length f n", "sepal width f n", "petal length f n", "species f c")


def text(frame: pd.DataFrame, **options: object) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n", **options))


@shape
def plain_csv() -> Shape:
    return Shape(
        text(flowers()).encode(), FLOWERS, "species", dialect={"delimiter": ",", "encoding": "utf-8", "header": True}
    )


@shape
def windows_line_ends() -> Shape:
    return Shape(text(flowers()).replace("\n", "\r\n").encode(), FLOWERS, "species")


@shape
def old_mac_line_ends() -> Shape:
    return Shape(text(flowers()).replace("\n", "\r").encode(), FLOWERS, "species")


@shape
def no_line_end_at_the_end() -> Shape:
    return Shape(text(flowers()).rstrip("\n").encode(), FLOWERS, "species")


@shape
def pandas_with_its_index() -> Shape:
    return Shape(flowers().to_csv().encode(), ("column 1 i n", *FLOWERS), "species")


@shape
def r_write_table() -> Shape:
    """R's write.table: rows have a name that the header does not count."""
    lines = text(flowers(), sep=" ").splitlines()
    lines = [
        " ".join(f'"{name}"' for name in flowers().columns),
        *(
            f'"{at + 1}" ' + " ".join(f'"{c}"' if c[0].isalpha() else c for c in line.split(" "))
            for at, line in enumerate(lines[1:])
        ),
    ]
    return Shape("\n".join(lines).encode(), ("row i n", *FLOWERS), "species", dialect={"delimiter": " "})


@shape
def r_write_csv() -> Shape:
    frame = flowers()
    frame.index = frame.index + 1
    return Shape(frame.to_csv(quoting=2).encode(), ("column 1 i n", *FLOWERS), "species")


@shape
def uci_data_without_header() -> Shape:
    """iris.data: no header, a blank line at the end."""
    body = text(flowers(), header=False) + "\n"
    return Shape(
        body.encode(),
        ("column 1 f n", "column 2 f n", "column 3 f n", "column 4 f c"),
        "column 4",
        dialect={"header": False},
    )


@shape
def uci_wine_data() -> Shape:
    """wine.data: no header, the class 1..3 comes first."""
    random = rng()
    frame = pd.DataFrame(random.normal(10, 3, (ROWS, 5)).round(2))
    frame.insert(0, "class", np.repeat([1, 2, 3], ROWS // 3))
    columns = tuple(f"column {at} f n" for at in range(1, 7))
    return Shape(text(frame, header=False).encode(), columns, "column 1", dialect={"header": False})


@shape
def uci_mushroom() -> Shape:
    """Letters only, no header: the first line is a row like the others."""
    random = rng()
    frame = pd.DataFrame(
        {at: random.choice(list(letters), ROWS) for at, letters in enumerate(["ep", "xbfcs", "yfgs", "nbcgr", "tf"])}
    )
    columns = ("column 1 f c", "column 2 f c", "column 3 f c", "column 4 f c", "column 5 f b")
    return Shape(text(frame, header=False).encode(), columns, "column 5", dialect={"header": False})


@shape
def uci_adult() -> Shape:
    """A blank after each comma, "?" for missing, the label last."""
    random = rng()
    lines = ["age, workclass, education-num, sex, income"]
    for _ in range(ROWS):
        work = random.choice(["Private", "State-gov", "?"])
        lines.append(
            f"{random.integers(17, 90)}, {work}, {random.integers(1, 16)}, {random.choice(['Male', 'Female'])}, "
            f"{random.choice(['<=50K', '>50K'])}"
        )
    return Shape(
        "\n".join(lines).encode(), ("age f n", "workclass f c", "education-num f n", "sex f c", "income f c"), "income"
    )


@shape
def uci_auto_mpg() -> Shape:
    """Columns aligned by blanks, a quoted name at the end, "?" in a numeric column."""
    random = rng()
    lines = []
    for at in range(ROWS):
        power = "?" if at % 20 == 3 else f"{random.integers(50, 200)}.0"
        lines.append(
            f"{random.normal(23, 5):4.1f}   {random.integers(3, 9)}   {power:10s} {random.integers(1600, 5000)}."
            f'      \t"model {at} of {random.integers(99)}"'
        )
    columns = ("column 1 f n", "column 2 f n", "column 3 f n", "column 4 f n", "column 5 i t")
    return Shape("\n".join(lines).encode(), columns, None, dialect={"delimiter": " ", "header": False})


@shape
def titanic() -> Shape:
    random = rng()
    lines = ["PassengerId,Survived,Pclass,Name,Sex,Age,Ticket,Fare,Cabin,Embarked"]
    for at in range(ROWS):
        age = "" if at % 6 == 1 else f"{random.integers(1, 80)}"
        cabin = f"C{random.integers(1, 200)}" if at % 4 == 0 else ""
        name = f'"Braund{at}, Mr. ""Owen"" Harris"'
        lines.append(
            f"{at + 1},{random.integers(0, 2)},{random.integers(1, 4)},{name},{random.choice(['male', 'female'])},"
            f"{age},A/5 {random.integers(10000, 99999)},{random.gamma(2, 16):.4f},{cabin},"
            f"{random.choice(['S', 'C', 'Q'])}"
        )
    columns = (
        "PassengerId i n", "Survived f n", "Pclass f n", "Name i t", "Sex f c",
        "Age f n",
        "Ticket i t", "Fare f n", "Cabin x t", "Embarked f c",
    )  # fmt: skip
    return Shape("\n".join(lines).encode(), columns, "Survived", first={"Age": None})


@shape
def german_excel() -> Shape:
    """Semicolon, decimal comma, thousands point, Windows encoding, umlauts."""
    random = rng()
    lines = ["Größe;Umsatz;Straße;Kategorie"]
    for at in range(ROWS):
        money = f"{random.integers(1, 9)}.{random.integers(100, 999)},{random.integers(10, 99)}"
        lines.append(f"1,{random.integers(50, 99)};{money};Hauptstraße {at};{random.choice(['grün', 'weiß'])}")
    return Shape(
        "\r\n".join(lines).encode("cp1252"),
        ("Größe f n", "Umsatz f n", "Straße i t", "Kategorie f c"),
        "Kategorie",
        dialect={"delimiter": ";", "decimal": ",", "thousands": ".", "encoding": "cp1252"},
    )


@shape
def semicolon_with_one_decimal_column() -> Shape:
    lines = ["x;y;z"] + [f"{i * 0.37:.2f};{i};{i % 7}".replace(".", ",") for i in range(ROWS)]
    return Shape("\n".join(lines).encode(), ("x f n", "y f n", "z f n"), "z", dialect={"decimal": ","})


@shape
def semicolon_without_header_and_decimal_comma() -> Shape:
    """Each line splits as evenly at commas as at semicolons."""
    random = rng()
    lines = [";".join(f"{value:.2f}".replace(".", ",") for value in row) for row in random.normal(5, 2, (ROWS, 3))]
    columns = ("column 1 f n", "column 2 f n", "column 3 f n")
    return Shape("\n".join(lines).encode(), columns, None, dialect={"delimiter": ";", "decimal": ",", "header": False})


@shape
def semicolon_with_decimal_point() -> Shape:
    """winequality: semicolons, decimal points, quoted header."""
    random = rng()
    lines = ['"fixed acidity";"residual sugar";"quality"']
    lines += [f"{random.normal(8, 1):.1f};{random.gamma(2, 2):.2f};{random.integers(3, 9)}" for _ in range(ROWS)]
    return Shape(
        "\n".join(lines).encode(),
        ("fixed acidity f n", "residual sugar f n", "quality f n"),
        "quality",
        dialect={"decimal": "."},
    )


@shape
def excel_separator_line() -> Shape:
    return Shape(
        ("sep=;\r\n" + text(flowers(), sep=";")).encode("utf-8-sig"), FLOWERS, "species", dialect={"skip_rows": 1}
    )


@shape
def excel_unicode_text() -> Shape:
    """Excel's "Unicode text": UTF-16 with BOM, tabs."""
    return Shape(
        text(flowers(), sep="\t").encode("utf-16"),
        FLOWERS,
        "species",
        dialect={"delimiter": "\t", "encoding": "utf-16"},
        name="t.txt",
    )


@shape
def utf16_without_bom() -> Shape:
    return Shape(text(flowers()).encode("utf-16-le"), FLOWERS, "species", dialect={"encoding": "utf-16-le"})


@shape
def utf8_with_bom() -> Shape:
    return Shape(text(flowers()).encode("utf-8-sig"), FLOWERS, "species", dialect={"encoding": "utf-8-sig"})


@shape
def chinese_gbk() -> Shape:
    random = rng()
    lines = ["编号,年龄,城市,类别"]
    lines += [
        f"{1000 + at},{random.integers(18, 80)},{random.choice(['北京', '上海', '广州'])},"
        f"{random.choice(['正常', '异常'])}"
        for at in range(ROWS)
    ]
    columns = ("编号 i n", "年龄 f n", "城市 f c", "类别 f c")
    return Shape("\n".join(lines).encode("gbk"), columns, "类别", dialect={"encoding": "gb18030"})


@shape
def japanese_shift_jis() -> Shape:
    random = rng()
    lines = ["なまえ,身長,クラス"]
    lines += [f"さくら{at},{random.normal(160, 8):.1f},{random.choice(['はい', 'いいえ'])}" for at in range(ROWS)]
    return Shape(
        "\n".join(lines).encode("shift_jis"),
        ("なまえ i t", "身長 f n", "クラス f c"),
        "クラス",
        dialect={"encoding": "shift_jis"},
    )


@shape
def french_latin1() -> Shape:
    random = rng()
    lines = ["année,température,météo"]
    lines += [
        f"{random.integers(1990, 2020)},{random.normal(12, 5):.1f},"
        f"{random.choice(['ensoleillé', 'pluvieux', 'à éviter'])}"
        for _ in range(ROWS)
    ]
    return Shape(
        "\n".join(lines).encode("latin-1"),
        ("année f n", "température f n", "météo f c"),
        "météo",
        dialect={"encoding": "cp1252"},
    )


@shape
def russian_cp1251() -> Shape:
    random = rng()
    lines = ["возраст;город"] + [
        f"{random.integers(18, 80)};{random.choice(['Москва', 'Казань', 'Тверь'])}" for _ in range(ROWS)
    ]
    return Shape(
        "\n".join(lines).encode("cp1251"), ("возраст f n", "город f c"), "город", dialect={"encoding": "cp1251"}
    )


@shape
def pipes() -> Shape:
    return Shape(text(flowers(), sep="|").encode(), FLOWERS, "species", dialect={"delimiter": "|"})


@shape
def tabs_in_a_txt() -> Shape:
    return Shape(
        text(flowers(), sep="\t").encode(), FLOWERS, "species", dialect={"delimiter": "\t"}, name="flowers.txt"
    )


@shape
def gzip_tsv() -> Shape:
    return Shape(gzip.compress(text(flowers(), sep="\t").encode()), FLOWERS, "species", name="flowers.tsv.gz")


@shape
def gzip_named_csv() -> Shape:
    return Shape(gzip.compress(text(flowers()).encode()), FLOWERS, "species", name="flowers.csv")


@shape
def parquet() -> Shape:
    frame = flowers().assign(
        when=pd.date_range("2021-01-01", periods=ROWS), ok=rng().random(ROWS) > 0.5, n=np.arange(ROWS) % 9
    )
    file = io.BytesIO()
    frame.to_parquet(file)
    return Shape(file.getvalue(), (*FLOWERS, "when f d", "ok f b", "n f n"), "species", name="flowers.parquet")


@shape
def parquet_with_categories_and_index() -> Shape:
    frame = flowers().astype({"species": "category"}).set_index(pd.Index(rng().permutation(ROWS), name="key"))
    file = io.BytesIO()
    frame.to_parquet(file)
    return Shape(file.getvalue(), (*FLOWERS, "key i n"), "species", name="flowers.parquet")


@shape
def preamble_of_an_instrument() -> Shape:
    preamble = "Instrument: XR-200\nOperator: Müller, Anna\n\nMeasured,2021-05-04\n\n"
    return Shape((preamble + text(flowers())).encode(), FLOWERS, "species", dialect={"skip_rows": 5})


@shape
def preamble_padded_by_a_spreadsheet() -> Shape:
    return Shape(
        ("Quarterly report,,,\n,,,\n" + text(flowers())).encode(), FLOWERS, "species", dialect={"skip_rows": 2}
    )


@shape
def comments_above() -> Shape:
    return Shape(
        ("# source: garden, 2019\n# unit: cm\n" + text(flowers())).encode(),
        FLOWERS,
        "species",
        dialect={"skip_rows": 2},
    )


@shape
def footer_below() -> Shape:
    return Shape((text(flowers()) + "\nTotal rows: 60\n").encode(), FLOWERS, "species")


@shape
def trailing_delimiters_everywhere() -> Shape:
    body = "\n".join(line + "," for line in text(flowers()).splitlines())
    return Shape(body.encode(), (*FLOWERS, "column 5 x t"), "species")


@shape
def trailing_delimiters_in_the_rows() -> Shape:
    lines = text(flowers()).splitlines()
    return Shape("\n".join([lines[0], *(line + "," for line in lines[1:])]).encode(), FLOWERS, "species")


@shape
def trailing_delimiter_in_the_header() -> Shape:
    lines = text(flowers()).splitlines()
    return Shape("\n".join([lines[0] + ",", *lines[1:]]).encode(), FLOWERS, "species")


@shape
def empty_columns_from_a_spreadsheet() -> Shape:
    body = "\n".join(line + ",,," for line in text(flowers()).splitlines())
    return Shape(body.encode(), (*FLOWERS, "column 5 x t", "column 6 x t", "column 7 x t"), "species")


@shape
def blank_lines_between() -> Shape:
    return Shape(text(flowers()).replace("\n", "\n\n").encode(), FLOWERS, "species")


@shape
def padded_cells_and_names() -> Shape:
    lines = [" , ".join(line.split(",")) for line in text(flowers()).splitlines()]
    return Shape("\n".join(lines).encode(), FLOWERS, "species")


@shape
def duplicate_and_blank_names() -> Shape:
    lines = text(flowers()).splitlines()
    return Shape(
        "\n".join(["a,a,,class", *lines[1:]]).encode(), ("a f n", "a (2) f n", "column 3 f n", "class f c"), "class"
    )


@shape
def quoted_newlines_and_commas() -> Shape:
    random = rng()
    lines = ["comment,stars,sentiment"]
    lines += [
        f'"first line, really\nsecond line {at}",{random.integers(1, 6)},{random.choice(["good", "bad"])}'
        for at in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("comment i t", "stars f n", "sentiment f c"), "sentiment")


@shape
def single_quotes() -> Shape:
    body = text(flowers(), quoting=2, quotechar="'")
    return Shape(body.encode(), FLOWERS, "species", dialect={"quote": "'"})


@shape
def numbers_as_people_write_them() -> Shape:
    random = rng()
    lines = ["price,share,change,size"]
    for _ in range(ROWS):
        price, share, change = random.integers(1000, 9999), random.integers(0, 100), random.normal()
        accounting = f"({abs(change):.2f})" if change < 0 else f"{change:.2f}"
        lines.append(
            f'"${price // 1000},{price % 1000:03d}.50",{share}%,{accounting},'
            f'"{random.integers(1, 9)},{random.integers(100, 999)}"'
        )
    return Shape(
        "\n".join(lines).encode(),
        ("price f n", "share f n", "change f n", "size f n"),
        None,
        dialect={"thousands": ","},
    )


@shape
def scientific_numbers() -> Shape:
    random = rng()
    lines = ["a,b"] + [f"{random.normal() * 1e-8:.3E},{random.normal() * 1e12:+.4e}" for _ in range(ROWS)]
    return Shape("\n".join(lines).encode(), ("a f n", "b f n"), None)


@shape
def swiss_thousands() -> Shape:
    random = rng()
    lines = ["Betrag;Anteil"] + [
        f"{random.integers(1, 99)}'{random.integers(100, 999)}.{random.integers(10, 99)};{random.random():.3f}"
        for _ in range(ROWS)
    ]
    return Shape(
        "\n".join(lines).encode(), ("Betrag f n", "Anteil f n"), None, dialect={"thousands": "'", "decimal": "."}
    )


@shape
def french_thousands_blank() -> Shape:
    random = rng()
    lines = ["montant;part"] + [
        f"{random.integers(1, 99)}\u202f{random.integers(100, 999)},{random.integers(10, 99)};0,"
        f"{random.integers(10, 99)}"
        for _ in range(ROWS)
    ]
    return Shape(
        "\n".join(lines).encode(), ("montant f n", "part f n"), None, dialect={"thousands": " ", "decimal": ","}
    )


@shape
def zip_codes_and_leading_zeros() -> Shape:
    random = rng()
    lines = ["zip,code,rooms,sold"]
    lines += [
        f"{random.integers(1000, 99999):05d},{random.integers(1, 20):03d},{random.integers(1, 9)},"
        f"{random.choice(['yes', 'no'])}"
        for _ in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("zip i t", "code f c", "rooms f n", "sold f b"), "sold")


@shape
def dates_of_many_kinds() -> Shape:
    days = pd.Series(pd.date_range("2019-03-01", periods=ROWS, freq="17h"))
    frame = pd.DataFrame(
        {
            "iso": days.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "us": days.dt.strftime("%m/%d/%Y"),
            "german": days.dt.strftime("%d.%m.%Y %H:%M"),
            "words": days.dt.strftime("%d-%b-%Y"),
            "long": days.dt.strftime("%B %d, %Y"),
            "day_number": days.dt.strftime("%Y%m%d"),
            "value": rng().normal(size=ROWS).round(3),
        }
    )
    columns = ("iso f d", "us f d", "german f d", "words f d", "long f d", "day_number f d", "value f n")
    return Shape(text(frame).encode(), columns, None)


@shape
def day_first_dates() -> Shape:
    days = pd.Series(pd.date_range("2019-03-01", periods=ROWS))
    frame = pd.DataFrame({"le jour": days.dt.strftime("%d/%m/%Y"), "valeur": rng().normal(size=ROWS).round(3)})
    return Shape(text(frame, sep=";", decimal=",").encode(), ("le jour f d", "valeur f n"), None)


@shape
def booleans_of_many_kinds() -> Shape:
    random = rng()
    frame = pd.DataFrame(
        {
            name: random.choice(pair, ROWS)
            for name, pair in {"a": ["True", "False"], "b": ["yes", "no"], "c": ["Y", "N"], "d": ["0", "1"]}.items()
        }
    )
    frame["x"] = random.normal(size=ROWS)
    return Shape(text(frame).encode(), ("a f b", "b f b", "c f b", "d f n", "x f n"), None)


@shape
def missing_in_many_words() -> Shape:
    random = rng()
    words = ["NA", "n/a", "-", "NULL", "", "#N/A", "NaN", "?"]
    lines = ["x,y,group"]
    for at in range(ROWS):
        x = words[at % len(words)] if at % 3 == 0 else f"{random.normal():.3f}"
        lines.append(f"{x},{random.normal():.3f},{random.choice(['a', 'b'])}")
    return Shape("\n".join(lines).encode(), ("x f n", "y f n", "group f c"), "group")


@shape
def one_bad_cell() -> Shape:
    lines = text(flowers()).splitlines()
    lines[20] = "oops" + lines[20][lines[20].index(",") :]
    return Shape("\n".join(lines).encode(), FLOWERS, "species")


@shape
def mnist_csv() -> Shape:
    """Pixels as columns, the label first, pixels at the border constant."""
    random = rng()
    pixels = random.integers(0, 256, (ROWS, 8))
    pixels[:, 0] = 0
    lines = ["label," + ",".join(f"pixel{at}" for at in range(8))]
    lines += [f"{random.integers(0, 10)}," + ",".join(map(str, row)) for row in pixels]
    return Shape(
        "\n".join(lines).encode(), ("label f n", "pixel0 x n", *(f"pixel{at} f n" for at in range(1, 8))), "label"
    )


@shape
def numbered_header() -> Shape:
    """pandas gave its column numbers as names."""
    frame = pd.DataFrame(rng().normal(size=(ROWS, 5)).round(3))
    return Shape(text(frame).encode(), tuple(f"{at} f n" for at in range(5)), None, dialect={"header": True})


@shape
def years_as_names() -> Shape:
    random = rng()
    lines = ["country,1990,1991,1992,1993"]
    lines += [f"Country {at}," + ",".join(f"{value:.2f}" for value in random.normal(50, 9, 4)) for at in range(ROWS)]
    return Shape("\n".join(lines).encode(), ("country i t", "1990 f n", "1991 f n", "1992 f n", "1993 f n"), None)


@shape
def a_single_column() -> Shape:
    lines = ["value"] + [f"{value:.4f}" for value in rng().normal(size=ROWS)]
    return Shape("\n".join(lines).encode(), ("value f n",), None)


@shape
def two_rows() -> Shape:
    return Shape(b"a,b,c\n1,2,x\n3,4,y\n", ("a f n", "b f n", "c f c"), None, rows=2)


@shape
def sensor_log() -> Shape:
    random = rng()
    lines = ["timestamp,device_id,temperature,humidity,status"]
    for at in range(ROWS):
        stamp = pd.Timestamp("2024-01-01") + pd.Timedelta(minutes=at)
        lines.append(
            f"{stamp},dev-{at % 3},{random.normal(20, 2):.2f},{random.uniform(20, 60):.1f},"
            f"{random.choice(['ok', 'warn'])}"
        )
    columns = ("timestamp f d", "device_id f c", "temperature f n", "humidity f n", "status f c")
    return Shape("\n".join(lines).encode(), columns, "status")


@shape
def gene_expression() -> Shape:
    """Many more columns than rows."""
    random = rng()
    genes = [f"GENE{at}" for at in range(1500)]
    lines = ["sample\t" + "\t".join(genes) + "\ttumour"]
    lines += [
        f"S{at:03d}\t" + "\t".join(f"{v:.2f}" for v in random.normal(size=1500)) + f"\t{'TN'[at % 2]}"
        for at in range(20)
    ]
    return Shape(
        "\n".join(lines).encode(), ("sample i t", *(f"{gene} f n" for gene in genes), "tumour f c"), "tumour", rows=20
    )


@shape
def uuids_and_hashes() -> Shape:
    random = rng()
    lines = ["uuid,amount,email,fraud"]
    lines += [
        f"{random.bytes(8).hex()},{random.gamma(2, 50):.2f},user{at}@example.org,{int(at % 9 == 0)}"
        for at in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("uuid i t", "amount f n", "email i t", "fraud f n"), "fraud")


@shape
def numbers_as_names_in_quotes() -> Shape:
    """R's write.csv of a matrix: years as names, quoted, over numbers that are not."""
    random = rng()
    lines = ['"","1940","1945","1952"'] + [
        f'"Item {at}",{random.normal(9, 1):.2f},{random.normal(9, 1):.2f},{at}' for at in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("column 1 i t", "1940 f n", "1945 f n", "1952 f n"), None)


@shape
def wavelengths_as_names() -> Shape:
    random = rng()
    lines = ["sample," + ",".join(f"{400 + 2.5 * at:g}" for at in range(9))]
    lines += [f"s{at}," + ",".join(f"{value:.4f}" for value in random.random(9)) for at in range(ROWS)]
    return Shape("\n".join(lines).encode(), ("sample i t", *(f"{400 + 2.5 * at:g} f n" for at in range(9))), None)


@shape
def row_names_that_are_numbers() -> Shape:
    """Some rows of an R data frame: their names are left-over numbers."""
    random = rng()
    lines = ['"","low","age"'] + [
        f'"{85 + 3 * at}",{random.integers(0, 2)},{random.integers(14, 45)}' for at in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("column 1 i n", "low f n", "age f n"), None)


@shape
def orange_tab() -> Shape:
    """Orange writes types and flags below the names."""
    lines = text(flowers(), sep="\t").splitlines()
    lines[1:1] = ["c\tcontinuous\tc\tsetosa versicolor virginica", "\t\t\tclass"]
    return Shape("\n".join(lines).encode(), FLOWERS, "species")


@shape
def few_identifiers_are_categories() -> Shape:
    random = rng()
    lines = ["order_id,store_id,amount,returned"]
    lines += [
        f"{9000 + 7 * at},{random.integers(1, 6)},{random.gamma(2, 9):.2f},{random.choice(['yes', 'no'])}"
        for at in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("order_id i n", "store_id f c", "amount f n", "returned f b"), "returned")


@shape
def single_quotes_and_blanks() -> Shape:
    random = rng()
    lines = ["'GPA' 'TUCE' 'GRADE'"] + [
        f"{random.normal(3, 0.4):.2f} {random.integers(12, 30)} {random.integers(0, 2)}" for _ in range(ROWS)
    ]
    return Shape(
        "\n".join(lines).encode(),
        ("GPA f n", "TUCE f n", "GRADE f n"),
        "GRADE",
        dialect={"delimiter": " ", "quote": "'"},
    )


@shape
def uci_wdbc() -> Shape:
    """No header, an identifier without a name, then the class."""
    random = rng()
    lines = [
        f"{random.integers(10**6, 10**8)},{'MB'[at % 2]},"
        + ",".join(f"{value:.3f}" for value in random.normal(9, 2, 4))
        for at in range(ROWS)
    ]
    columns = ("column 1 i n", "column 2 f c", *(f"column {at} f n" for at in range(3, 7)))
    return Shape("\n".join(lines).encode(), columns, "column 2", dialect={"header": False})


@shape
def uci_balance_scale() -> Shape:
    """No header, the class first, and a last column with few values as well."""
    random = rng()
    lines = [f"{'LBR'[at % 3]}," + ",".join(map(str, random.integers(1, 6, 4))) for at in range(ROWS)]
    columns = ("column 1 f c", *(f"column {at} f n" for at in range(2, 6)))
    return Shape("\n".join(lines).encode(), columns, "column 1", dialect={"header": False})


@shape
def uci_seeds() -> Shape:
    """Tabs, now and then two of them."""
    random = rng()
    lines = []
    for at in range(ROWS):
        values = [f"{value:.2f}" for value in random.normal(14, 2, 3)] + [str(at % 3 + 1)]
        lines.append(("\t\t" if at % 9 == 4 else "\t").join(values[:2]) + "\t" + "\t".join(values[2:]))
    columns = tuple(f"column {at} f n" for at in range(1, 5))
    return Shape("\n".join(lines).encode(), columns, "column 4", dialect={"delimiter": " "})


@shape
def bank_marketing() -> Shape:
    """Semicolons, names and words in quotes, numbers without."""
    random = rng()
    lines = ['"age";"job";"default";"balance";"y"']
    lines += [
        f'{random.integers(18, 90)};"{random.choice(["admin.", "technician"])}";"no";{random.integers(-99, 9999)};'
        f'"{random.choice(["yes", "no"])}"'
        for _ in range(ROWS)
    ]
    columns = ("age f n", "job f c", "default x c", "balance f n", "y f b")
    return Shape("\n".join(lines).encode(), columns, "y", dialect={"delimiter": ";"})


@shape
def air_quality() -> Shape:
    """AirQualityUCI.csv: decimal commas, day first, times with points, empty columns and rows at the end."""
    random = rng()
    lines = ["Date;Time;CO(GT);NMHC(GT);;"]
    for at in range(ROWS):
        stamp = pd.Timestamp("2004-03-10 18:00") + pd.Timedelta(hours=at)
        level = f"{random.normal(2, 0.5):.1f}".replace(".", ",")
        lines.append(f"{stamp:%d/%m/%Y};{stamp:%H.%M.%S};{level};{random.integers(20, 200)};;")
    body = "\n".join(lines) + "\n;;;;;" * 9
    columns = ("Date f d", "Time f c", "CO(GT) f n", "NMHC(GT) f n", "column 5 x t", "column 6 x t")
    return Shape(body.encode(), columns, None, dialect={"delimiter": ";", "decimal": ","})


@shape
def world_bank() -> Shape:
    """Several columns of words, then years."""
    random = rng()
    lines = ["Country Name,Country Code,Indicator," + ",".join(str(year) for year in range(1990, 2000))]
    for at in range(ROWS):
        values = ["" if random.random() < 0.1 else f"{value:.3f}" for value in random.normal(3, 1, 10)]
        lines.append(f'Country {at},C{at:02d},"Fertility rate, total",' + ",".join(values))
    years = (f"{year} f n" for year in range(1990, 2000))
    columns = ("Country Name i t", "Country Code i t", "Indicator x c", *years)
    return Shape("\n".join(lines).encode(), columns, None)


@shape
def rows_that_count_up_by_chance() -> Shape:
    random = rng()
    lines = ["a,1,2,3"] + [
        f"{random.choice(['a', 'b', 'c'])}," + ",".join(map(str, random.integers(1, 6, 3))) for _ in range(ROWS - 1)
    ]
    columns = ("column 1 f c", "column 2 f n", "column 3 f n", "column 4 f n")
    return Shape("\n".join(lines).encode(), columns, "column 1", dialect={"header": False})


@shape
def formula_like_cells() -> Shape:
    random = rng()
    lines = ["=name,+x,-y,@handle"] + [
        f"=cmd|' /C calc'!A{at % 3},{random.normal():+.2f},{random.normal():.2f},@user{at % 4}" for at in range(ROWS)
    ]
    return Shape("\n".join(lines).encode(), ("=name f c", "+x f n", "-y f n", "@handle f c"), "@handle")


@pytest.mark.parametrize("name", SHAPES)
def test_shape_is_understood(name: str) -> None:
    expected = SHAPES[name]()
    guess = inspect_table(expected.content, name=expected.name)
    assert guess.rows == expected.rows
    roles, kinds = ({long: short for short, long in names.items()} for names in (ROLES, KINDS))
    found = tuple(f"{column.name} {roles[column.role]} {kinds[column.kind]}" for column in guess.columns)
    assert found == expected.columns
    assert guess.label_guess == expected.label
    for setting, value in (expected.dialect or {}).items():
        assert getattr(guess.dialect, setting) == value, setting


@pytest.mark.parametrize("name", SHAPES)
def test_shape_is_read(name: str) -> None:
    expected = SHAPES[name]()
    data = read_table(expected.content, name=expected.name, label=expected.label)
    assert len(data) == expected.rows
    wanted = [c.rsplit(" ", 2) for c in expected.columns]
    features = [(column, KINDS[kind]) for column, role, kind in wanted if role == "f" and column != expected.label]
    assert [(column.name, column.kind) for column in data.columns] == features
    dtypes = {"numeric": "float64", "category": "str", "date": "datetime64[us]", "boolean": "boolean"}
    assert [str(dtype) for dtype in data.features.dtypes] == [dtypes[kind] for _, kind in features]
    assert data.features.isna().mean().max() < 0.5
    assert (data.y is None) == (expected.label is None)
    if data.y is not None:
        assert all(type(value) is str for value in data.y)
    shown = [column for column, role, _ in wanted if role in "ix"]
    assert list(data.identifiers.columns if data.identifiers is not None else []) == shown
