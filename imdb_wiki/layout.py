"""The names of files in a prepared folder."""

REPORT_NAME = "report.json"
CROP_NAME, FIGURE_NAME = "crop", "figures/preparation.png"
TEST_READINGS_FILE = "test_reads.csv"  # how often the test split was looked at

# Of a list of faces to leave out, which the audit and the review write and `read_split` takes.
LEFT_OUT_COLUMNS = ("folder", "filename", "source", "wrong_probability", "reason")
PROBABLY_WRONG = "probably_wrong"  # the reason where no person has decided
