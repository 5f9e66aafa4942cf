// Package suggest finds the name that a misspelled one probably means.
package suggest

import "strings"

// Nearest returns the known name with the smallest edit distance to name: the number of bytes
// inserted, deleted or replaced, without regard to case. Among equally near names it returns the
// first. It returns "" if every known name is more than max(2, len(name)/3) edits away, or if name
// is too long.
func Nearest(name string, known []string) string {
	const longest = 256
	if len(name) > longest {
		return ""
	}
	name = strings.ToLower(name)
	best, limit := "", 1+max(2, len(name)/3)
	for _, k := range known {
		if len(k)-len(name) < limit && len(name)-len(k) < limit {
			if d := distance(name, strings.ToLower(k)); d < limit {
				best, limit = k, d
			}
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
