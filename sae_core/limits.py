"""Every limit, with its reason. The README states them; a test holds the two together."""

MEGABYTE = 1024 * 1024

# Stack
MAX_LEVELS = 12  # deeper stacks cannot be drawn or told apart on a page
MAX_UNITS = 16_384  # one dense level of 16k x 16k weights is 1 GB in float32
MAX_CHANNELS = 1_024  # of a convolution
MAX_KERNEL = 31  # side of a convolution's weights; larger ones are slower than a dense level
MAX_STRIDE = 8  # also of pooling
MAX_EPOCHS = 100_000
MAX_BATCH_SIZE = 65_536
MAX_PARAMETERS = 500_000_000  # 2 GB of weights; Adam needs three times that again

# Upload
MAX_UPLOAD_BYTES = 1024 * MEGABYTE  # also server.maxUploadSize in .streamlit/config.toml (in MB)

# Tables
MAX_TABLE_COLUMNS = 5_000  # of the file; wider files are named before they are parsed whole
MAX_TABLE_ROWS = 10_000_000
MAX_PREPARED_FEATURES = 50_000  # after one-hot encoding; colour pictures of 128 x 128 are 49,152
MAX_PREPARED_BYTES = 4096 * MEGABYTE  # the float32 matrix that training keeps in memory
MAX_CATEGORIES = 50  # further values of a category column go to "other"
MAX_TABLE_BYTES = 4096 * MEGABYTE  # of text after decompression: a gzip bomb ends here
MAX_TABLE_LINE = 16 * MEGABYTE  # characters of one line; a file without line ends is not a table
MAX_TABLE_CELL = 131_072  # characters of one cell; longer ones are an unclosed quote nearly always
MAX_COLUMN_NAME = 200  # characters; longer names are cut, since charts and editors cannot show them
MAX_IDENTIFIER_BYTES = 256 * MEGABYTE  # of text in identifier and ignored columns that is kept to be shown with a row
MAX_TRACKED_VALUES = 10_000  # different values of one column that are counted exactly while it is looked through
RARE_CATEGORY_SHARE = 0.001  # categories in fewer training rows than this share go to "other"
LARGEST_NUMBER = 1e300  # numbers beyond count as infinite, that is as missing: sums of rows stay finite
LARGEST_SCALED = 1e6  # prepared values are clipped here, so that squares stay finite in float32
LARGEST_UNSCALED = 1e15  # likewise where the user asked for no scaling

# Pictures
MAX_PICTURE_SIDE = 128  # pixels after resizing
MAX_PICTURE_PIXELS = 50_000_000  # of one picture before resizing; 50 megapixels decode to 150 MB
MAX_PICTURES = 200_000
MAX_ARCHIVE_ENTRIES = 200_000
MAX_ARCHIVE_MEMBER_BYTES = 256 * MEGABYTE  # read from one member of an archive
MAX_ARCHIVE_TOTAL_BYTES = 4096 * MEGABYTE  # read from one archive altogether
MAX_ARCHIVE_RATIO = 200  # bytes read for each byte of the archive; pictures and numbers stay far below
ARCHIVE_RATIO_FLOOR_BYTES = 256 * MEGABYTE  # read before that ratio counts: a few blank pictures shrink even more
MAX_ARCHIVE_DIRECTORY_BYTES = 64 * MEGABYTE  # of the list of contents, which is read in one piece
MAX_ARCHIVE_DEPTH = 64  # folders within folders

# Labels
MAX_CLASSES = 1_000

# Jobs
MAX_RUNNING_JOBS = 1  # further ones queue: two trainings on the same cores are slower than one after the other
MAX_QUEUED_JOBS = 200
MAX_REMEMBERED_JOBS = 50  # finished ones beyond that are dropped from memory; their runs stay on disk
MAX_SWEEP_RUNS = 100  # of one sweep: it stays a matter of hours, and its table can be read

# Maps
MAX_MAP_ROWS = 10_000  # of one map; larger data sets are drawn from a stratified sample

# Bundles
MAX_BUNDLE_BYTES = 4096 * MEGABYTE  # read from one bundle: MAX_PARAMETERS weights and a classifier beside them
MAX_BUNDLE_ENTRIES = 64  # an exported bundle has six files
