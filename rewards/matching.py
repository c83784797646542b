"""Bipartite matching of greatest worth, in exact integers."""


def heaviest_matching(worth: list[list[int]]) -> list[int | None]:
    """Column of each row in a matching of greatest total worth that is as large as it can be.

    Args:
      worth: [R][K] positive integers of any size.

    Successive shortest augmenting paths with potentials (Kuhn 1955; Jonker and Volgenant 1987), O(R^2 K).
    """
    rows, columns = len(worth), len(worth[0]) if worth else 0
    if rows > columns:
        flipped = heaviest_matching([[worth[r][k] for r in range(rows)] for k in range(columns)])
        row_of = {row: column for column, row in enumerate(flipped)}
        return [row_of.get(row) for row in range(rows)]
    row_price, column_price = [0] * (rows + 1), [0] * (columns + 1)
    owner = [0] * (columns + 1)  # 1-based row that holds each 1-based column; column 0 is the start of a path
    for row in range(1, rows + 1):
        owner[0] = row
        column, came_from = 0, [0] * (columns + 1)
        slack: list[int | None] = [None] * (columns + 1)
        seen = [False] * (columns + 1)
        while owner[column]:
            seen[column] = True
            holder, step, nearest = owner[column], None, 0
            for k in range(1, columns + 1):
                if seen[k]:
                    continue
                reduced = -worth[holder - 1][k - 1] - row_price[holder] - column_price[k]
                known = slack[k]
                if known is None or reduced < known:
                    slack[k], came_from[k] = reduced, column
                    known = reduced
                if step is None or known < step:
                    step, nearest = known, k
            assert step is not None  # rows <= columns: a free column is always left
            for k in range(columns + 1):
                if seen[k]:
                    row_price[owner[k]] += step
                    column_price[k] -= step
                elif (known := slack[k]) is not None:
                    slack[k] = known - step
            column = nearest
        while column:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    taken = {owner[k] - 1: k - 1 for k in range(1, columns + 1) if owner[k]}
    return [taken.get(row) for row in range(rows)]
