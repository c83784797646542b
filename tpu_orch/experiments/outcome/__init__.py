"""What came of an experiment, from its rows alone: intervals, tables, figures, the page."""
