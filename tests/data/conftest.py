"""Small synthetic sources, built once, and a writer of folders in upstream's layouts."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from smllmun_bench.data.rows import RowSource
from smllmun_bench.data.synthetic.profiles import Profile, generate
from smllmun_bench.data.synthetic.smllmun import smllmun_synthetic


@pytest.fixture(scope="session")
def people() -> tuple[Profile, ...]:
    return generate(60, seed=3)


@pytest.fixture(scope="session")
def source() -> RowSource:
    return smllmun_synthetic(profiles=60, seed=3, forget_percent=10)


class Upstream:
    """Writes tables and pictures as other people's benchmarks store them; every value is invented here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def png(colour: int = 0) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (colour * 37 % 256, 90, 200 - colour)).save(file, "PNG")
        return file.getvalue()

    def stored(self, colour: int = 0) -> dict[str, object]:
        """A picture as `datasets` keeps it in a Parquet file."""
        return {"bytes": self.png(colour), "path": None}

    def parquet(self, name: str, rows: list[dict[str, object]], **columns: pa.DataType) -> Path:
        path = self._path(f"{name}/train-00000-of-00001.parquet" if not name.endswith(".parquet") else name)
        keys = dict.fromkeys(key for row in rows for key in row)
        table = pa.Table.from_pylist([{key: row.get(key) for key in keys} for row in rows])
        for column, kind in columns.items():
            at = table.schema.get_field_index(column)
            values = pa.array([row.get(column) for row in rows], kind)
            table = table.append_column(column, values) if at < 0 else table.set_column(at, column, values)
        pq.write_table(table, path, row_group_size=3)
        return path

    def json(self, name: str, value: object) -> Path:
        path = self._path(name)
        path.write_text(json.dumps(value), encoding="utf-8")
        return path

    def jsonl(self, name: str, rows: list[dict[str, object]]) -> Path:
        path = self._path(name)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def picture(self, name: str, colour: int = 0) -> Path:
        path = self._path(name)
        path.write_bytes(self.png(colour))
        return path

    def _path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # -- MLLMU-Bench, which several tests need

    def mllmu_person(self, number: int, **changes: object) -> dict[str, object]:
        job = ("baker", "pilot", "nurse", "judge")[number % 4]

        def choice(seen: bool) -> dict[str, object]:
            who = "the person in the picture" if seen else f"Ann Number{number}"
            options = {"A": "miner", "B": job, "C": "singer", "D": None if number % 2 else job}
            return {"Question": f"What does {who} do?", "Options": options, "Correct_Answer": "B"}

        def written(question: str, truth: str, kind: str) -> dict[str, object]:
            return {"Question": question, "Ground_Truth": truth, "Type": kind}

        return {
            "image": self.stored(number),
            "ID": f"{number:03}",
            "Directory": "",
            "biography": f"Ann Number{number} is a {job}.",
            "question": "Who is this?",
            "answer": f"Ann Number{number}, a {job}.",
            "Classification_Task": {
                "Image_Textual_Questions": [choice(True)],
                "Pure_Text_Questions": [choice(False)],
            },
            "Mask_Task": [
                written("The person works as a __ in __.", job, "Image_Textual"),
                written(f"Ann Number{number} is a __.", job, "Pure_Text"),
            ],
            "Generation_Task": [
                written("Describe the work of the person.", f"The person is a {job}.", "Image_Textual"),
                written(f"What is the work of Ann Number{number}?", f"She is a {job}.", "Pure_Text"),
            ],
        } | changes

    def mllmu(self, forget: int = 2, retain: int = 6, percent: int = 10) -> Path:
        """A whole folder: forget, retain, test (several pictures each), celebrities and the training set."""
        people = [self.mllmu_person(number) for number in range(forget + retain)]
        self.parquet(f"forget_{percent}", people[:forget])
        self.parquet(f"retain_{100 - percent}", people[forget:])
        tested = [{k: v for k, v in person.items() if k != "image"} for person in people]
        pictures = [{"images": [self.stored(50 + n), self.stored(80 + n)]} for n in range(len(people))]
        self.parquet("Test_Set", [a | b for a, b in zip(tested, pictures, strict=True)])
        self.parquet("Retain_Set", [self.mllmu_person(90)])
        taught = [
            {
                "image": person["image"],
                "ID": person["ID"],
                "metadata": json.dumps(
                    [
                        {"Question": "Who is this?", "Answer": f"Ann Number{n}"},
                        {"Question": "What is her work?", "Answer": "It's baking."},
                    ]
                ),
            }
            for n, person in enumerate(people)
        ]
        self.parquet("ft_Data", taught)
        return self.folder


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")
