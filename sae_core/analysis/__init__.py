"""What a trained stack has learned: pure functions over a `TrainedStack`, a `Dataset` and row numbers, or over arrays.

    projections      maps of every level, each starting from the level below
    aligned          maps of all levels, laid out together
    placing          new rows on a finished map, and the few rows that stand for it
    journey          one row through the stack
    selection        chosen rows: composition, inversion, the table to take away
    search           rows found by what is in them
    anomalies        errors as a detector, where labels mark the anomalies
    fine_tuning      rows that changed sides, and how far each level moved
    reconstruction   what each level gives back, and how far it is from the original
    classification   how well the classes can be told apart at each level
    levels           what each level keeps: variance, neighbours, units alive, effective rank
    verdict          whether another level pays, in one sentence
    contest          one architecture trained in several ways, and PCA, measured alike
    units            what single units read, say and draw
    decoding         codes moved by hand, walks between rows, the plane of a two-unit code

Nothing here draws, and nothing here knows a page: results are frozen dataclasses of arrays that charts, exports and
notebooks read alike. Functions that take seconds accept `report(fraction, text)`; to cancel them, raise from it.
"""
