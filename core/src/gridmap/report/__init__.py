"""What became of a run, for people who were not there: a page, JSON or CSV.

::

    summary   what there is to tell, made of an overview. Pure
    figures   its drawings, as SVG. Pure
    page      one HTML page that holds everything. Pure
    tables    the same as JSON and as CSV. Pure
"""

from gridmap.report.page import as_html
from gridmap.report.summary import Summary, summarize
from gridmap.report.tables import as_csv, as_plain

__all__ = ["Summary", "as_csv", "as_html", "as_plain", "summarize"]
