// Package near finds the name that was probably meant.
package near

import "strings"

// Name is the known name with the fewest bytes to insert, delete or replace to
// come from name, upper and lower case being one; "" where more than 2 and more
// than a third of name would have to change, or where name is longer than any
// name should be. Of names equally near it is the first.
func Name(name string, known []string) string {
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
