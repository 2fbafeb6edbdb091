"""The names of files in a prepared folder."""

REPORT_NAME = "report.json"
CROP_NAME, FIGURE_NAME = "crop", "figures/preparation.png"
TEST_READINGS_FILE = "test_reads.csv"  # how often the test split was looked at
