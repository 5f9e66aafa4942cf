package tokenizer

import "math/bits"

// table is a hash table from uint64 keys to uint64 values with open addressing: it is smaller and
// several times faster than a map for the pairs of tokens that BPE looks up. ^0 cannot be added.
type table struct {
	keys, values []uint64
	n            int
	shift        uint
}

const noKey = ^uint64(0)

// newTable returns a table with room for n entries. It grows if more are added.
func newTable(n int) *table {
	t := &table{}
	t.resize(max(16, n*2))
	return t
}

func (t *table) resize(slots int) {
	log := bits.Len(uint(slots - 1))
	keys, values := t.keys, t.values
	t.keys, t.values, t.shift, t.n = make([]uint64, 1<<log), make([]uint64, 1<<log), uint(64-log), 0
	for i := range t.keys {
		t.keys[i] = noKey
	}
	for i, k := range keys {
		if k != noKey {
			t.add(k, values[i])
		}
	}
}

// slot returns the slot of key, or the free slot for it.
func (t *table) slot(key uint64) int {
	mask := len(t.keys) - 1
	for i := int(key * 0x9e3779b97f4a7c15 >> t.shift); ; i = (i + 1) & mask {
		if k := t.keys[i]; k == key || k == noKey {
			return i
		}
	}
}

// get returns the value of key; ok reports whether there is one.
func (t *table) get(key uint64) (value uint64, ok bool) {
	i := t.slot(key)
	return t.values[i], t.keys[i] == key && key != noKey
}

// add sets the value of key if it has none, and reports whether it did.
func (t *table) add(key, value uint64) bool {
	i := t.slot(key)
	if t.keys[i] == key {
		return false
	}
	t.keys[i], t.values[i] = key, value
	if t.n++; t.n*4 > len(t.keys)*3 {
		t.resize(len(t.keys) * 2)
	}
	return true
}

// set sets the value of a key.
func (t *table) set(key, value uint64) {
	if !t.add(key, value) {
		t.values[t.slot(key)] = value
	}
}

// trie finds the strings that begin a text. The value of a string is not negative.
type trie struct {
	next   *table // node<<8 | byte to node
	values []int32
	// first are the bytes that strings begin with.
	first [256]bool
}

func newTrie(strings int) *trie {
	return &trie{next: newTable(strings * 4), values: []int32{-1}}
}

// add adds a string that is not empty; a later value replaces an earlier one.
func (t *trie) add(s string, value int32) {
	t.first[s[0]] = true
	node := uint64(0)
	for i := range len(s) {
		key := node<<8 | uint64(s[i])
		next, ok := t.next.get(key)
		if !ok {
			next = uint64(len(t.values))
			t.values = append(t.values, -1)
			t.next.add(key, next)
		}
		node = next
	}
	t.values[node] = value
}

// longest returns the length in bytes of the longest string with which s begins, and its value. The
// length is 0 if there is none.
func (t *trie) longest(s string) (n int, value int32) {
	node := uint64(0)
	for i := range len(s) {
		next, ok := t.next.get(node<<8 | uint64(s[i]))
		if !ok {
			break
		}
		if node = next; t.values[node] >= 0 {
			n, value = i+1, t.values[node]
		}
	}
	return n, value
}
