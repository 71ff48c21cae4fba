"""What the command-line tools share: their parser, errors of one line, tables, durations, paths."""
