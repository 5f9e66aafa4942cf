package cpu

import "unsafe"

// tileConfig is the operand of LDTILECFG: the shapes of the eight tiles.
type tileConfig struct {
	palette  uint8
	_        [15]uint8 // start row (0) and reserved bytes
	colBytes [16]uint16
	rows     [16]uint8
}

// The maximum number of rows of a tile, and of bfloat16 pairs (or float32 values) per row.
const tileRows, tilePairs = 16, 16

// amxTiles implements Tiles with AMX. The sum over p is split into steps of 16 pairs. Within a step
// the even and the odd values are summed separately by fused multiply-adds, and both sums are added
// to C (Intel's description of TDPBF16PS).
//
// A kernel xTilesRxC computes R x C tiles of C, for successive blocks of 16 R rows of A and C. Each
// step covers as many pairs as the configuration says.
func amxTiles(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs int, b unsafe.Pointer, ldb, rows, k, n, add int) {
	if steps := k / tilePairs; steps > 0 {
		amxSteps(c, ldc, a, rs, b, ldb, rows, tilePairs, steps, n, add)
		add = 1
	}
	if rest, done := k%tilePairs, k/tilePairs*tilePairs; rest > 0 {
		amxSteps(c, ldc, unsafe.Add(a, 4*done), rs, unsafe.Add(b, done*ldb), ldb, rows, rest, 1, n, add)
	}
}

// amxSteps is amxTiles for a number of steps of the given number of pairs.
func amxSteps(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs int, b unsafe.Pointer, ldb, rows, pairs, steps, n, add int) {
	full := rows / (2 * tileRows)
	if full > 0 {
		amxBlocks(c, ldc, a, rs, b, ldb, 2*tileRows, pairs, steps, n, add, full)
	}
	if done := 2 * tileRows * full; done < rows {
		amxBlocks(unsafe.Add(c, done*ldc), ldc, unsafe.Add(a, done*rs), rs, b, ldb, rows-done, pairs, steps, n, add, 1)
	}
}

// amxBlocks is amxSteps for blocks of at most 32 rows.
func amxBlocks(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs int, b unsafe.Pointer, ldb, rows, pairs, steps, n, add, blocks int) {
	cfg := tileConfig{palette: 1}
	lower, right := max(0, rows-tileRows), max(0, n-tilePairs)
	shape := func(tile, rows, pairs int) {
		if rows > 0 && pairs > 0 { // otherwise the tile stays unconfigured
			cfg.rows[tile], cfg.colBytes[tile] = uint8(rows), uint16(4*pairs)
		}
	}
	shape(0, rows-lower, n-right)
	shape(1, rows-lower, right)
	shape(2, lower, n-right)
	shape(3, lower, right)
	shape(4, rows-lower, pairs)
	shape(5, lower, pairs)
	shape(6, pairs, n-right)
	shape(7, pairs, right)
	switch {
	case lower > 0 && right > 0:
		xTiles2x2(&cfg, c, ldc, a, rs, b, ldb, steps, add, blocks)
	case lower > 0:
		xTiles2x1(&cfg, c, ldc, a, rs, b, ldb, steps, add, blocks)
	case right > 0:
		xTiles1x2(&cfg, c, ldc, a, rs, b, ldb, steps, add, blocks)
	default:
		xTiles1x1(&cfg, c, ldc, a, rs, b, ldb, steps, add, blocks)
	}
}
