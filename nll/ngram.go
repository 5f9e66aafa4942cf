package nll

// arHits reports for every token whether it is an AR-hit: the last token of an n-gram that occurred
// earlier in the same text, which a model can recall from its context (S. Arora et al., Zoology,
// arXiv 2312.04927, and the YOCO paper, arXiv 2405.05254, both with n = 2). All other tokens,
// including the first n-1, are first occurrences.
//
// The result is exact: n-grams are found by a hash and then compared token by token. The table of
// the end of each n-gram's first occurrence takes 8 to 16 bytes per token.
func arHits(tokens []int, n int) []bool {
	hits := make([]bool, len(tokens))
	size := 16
	for size < 2*len(tokens) {
		size *= 2
	}
	table := make([]int32, size) // end of the n-gram plus 1; 0 means empty
	for end := n - 1; end < len(tokens); end++ {
		gram := tokens[end-n+1 : end+1]
		slot := hashGram(gram) & uint64(size-1)
		for {
			at := int(table[slot])
			if at == 0 {
				table[slot] = int32(end + 1)
				break
			}
			if equal(tokens[at-n:at], gram) {
				hits[end] = true
				break
			}
			slot = (slot + 1) & uint64(size-1)
		}
	}
	return hits
}

// hashGram hashes tokens by 64-bit FNV-1a, one token per step, with the finalizer of MurmurHash3.
func hashGram(gram []int) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, t := range gram {
		h = (h ^ uint64(t)) * 0x100000001b3
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// equal compares from the end, where different n-grams differ soonest.
func equal(a, b []int) bool {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
