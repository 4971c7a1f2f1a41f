"""An export takes no more memory for many rows than for few: they run from the server through to the client."""

import gc
import tracemalloc

import psycopg
import pytest

from tests.bench.exporting import MORE
from tests.path import walk
from trialsite.exports import services
from trialsite.exports.workbook import sheet


@pytest.fixture
def grown(committed, cluster, site_a, coordinator, investigator):
    """Gives the form's records as many copies as asked for; they carry no trail, which is not measured."""
    walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)

    def grow(first, last):
        with psycopg.connect(cluster.url("postgres", committed), autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(MORE, [first, last, "labs"])

    return grow


def taken(reader, name):
    """(bytes, peak of Python's memory in bytes) of one export that nobody keeps."""
    gc.collect()
    tracemalloc.start()
    size = sum(map(len, services.table_csv(actor=reader, name=name)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size, peak


@pytest.mark.parametrize("name", ["labs", "long"])
def test_a_hundred_times_as_many_rows_take_no_more_memory(grown, person, name):
    reader = person("statistician")
    grown(1, 20)
    taken(reader, name)  # what is read once for all
    few, low = taken(reader, name)
    grown(21, 4000)
    many, high = taken(reader, name)
    assert many > 50 * few
    assert many > 2**20
    assert high < low + 2**19, (low, high)


def test_asheet_is_written_row_by_row(tmp_path):
    """The rows of a workbook come from an iterator, and none is kept."""
    import xlsxwriter

    def peak(count):
        gc.collect()
        tracemalloc.start()
        with xlsxwriter.Workbook(tmp_path / f"{count}.xlsx", {"constant_memory": True}) as made:
            rows = ((f"text {number}", number) for number in range(count))
            assert sheet(made, "t", ["a", "b"], ["text", "number"], rows, {}, made.add_format()) == count
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    assert peak(20_000) < peak(200) + 2**19
