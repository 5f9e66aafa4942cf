package pth

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Limits of a pickle. Each opcode pushes at most one value, so they bound the memory too.
const (
	maxPickle  = 16 << 20
	maxOpcodes = 4 << 20
	// maxName bounds a global's module and name, in bytes.
	maxName = 256
	maxRank = 16
)

// Values of a pickle are nil, bool, int64, float64, string, *List, Tuple, *Dict, *Namespace and
// *Tensor. A hostile pickle can make lists and dicts contain themselves: do not walk them deeply.

// List is a list. It is a pointer, as a pickle can append to one that is in use.
type List struct{ Items []any }

// Tuple is a tuple.
type Tuple []any

// Dict is a dict, in the order of the file. A key may occur more than once: the last one counts.
type Dict struct{ Items []Item }

// Item is a key of a dict with its value.
type Item struct{ Key, Value any }

// Get returns the value of a string key.
func (d *Dict) Get(key string) (any, bool) {
	for i := len(d.Items) - 1; i >= 0; i-- {
		if k, ok := d.Items[i].Key.(string); ok && k == key {
			return d.Items[i].Value, true
		}
	}
	return nil, false
}

// Namespace is an argparse.Namespace: its attributes.
type Namespace struct{ Dict }

// global is a name that a pickle may refer to. Those whose storage is set are storage types.
type global struct {
	name    string
	storage *storageType
}

// storageType is the type of a storage's values.
type storageType struct {
	name string
	size int64
}

// globals is the closed list.
var globals = func() map[string]*global {
	list := map[string]*global{}
	for _, name := range []string{
		"collections.OrderedDict", "argparse.Namespace", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
	} {
		list[name] = &global{name: name}
	}
	for kind, size := range map[string]int64{
		"Float": 4, "Half": 2, "BFloat16": 2, "Double": 8, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
	} {
		name := "torch." + kind + "Storage"
		list[name] = &global{name, &storageType{kind, size}}
	}
	return list
}()

// storage is a reference to an entry of the archive.
type storage struct {
	key  string
	kind *storageType
	n    int64 // values
}

// mark is the stack entry of a MARK opcode.
type mark struct{}

// machine interprets a pickle.
type machine struct {
	src   []byte
	at    int
	stack []any
	memo  map[uint32]any
	// load finds the storage of a persistent id.
	load func(storage) (*storage, error)
}

// unpickle builds the value of a pickle.
func unpickle(src []byte, load func(storage) (*storage, error)) (any, error) {
	if len(src) > maxPickle {
		return nil, fmt.Errorf("the pickle has %d bytes, want at most %d", len(src), maxPickle)
	}
	m := &machine{src: src, memo: map[uint32]any{}, load: load}
	for range maxOpcodes {
		at := m.at
		op, err := m.byte()
		if err == nil && op == '.' {
			v, err := m.pop()
			if err == nil && (m.at != len(src) || len(m.stack) > 0) {
				err = fmt.Errorf("%d bytes and %d values are left at its end", len(src)-m.at, len(m.stack))
			}
			return v, m.errorAt(at, err)
		}
		if err == nil {
			err = m.do(op)
		}
		if err != nil {
			return nil, m.errorAt(at, err)
		}
	}
	return nil, fmt.Errorf("the pickle has more than %d opcodes", maxOpcodes)
}

func (m *machine) errorAt(at int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("byte %d of the pickle: %w", at, err)
}

// do executes an opcode.
func (m *machine) do(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := m.byte()
		if err == nil && (v < 2 || v > 5) {
			err = fmt.Errorf("pickle protocol %d, want 2 (the default of torch.save)", v)
		}
		return err
	case '(': // MARK
		return m.push(mark{})
	case 'N':
		return m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return m.push(op == 0x88)
	case 'K', 'M', 'J', 0x8a, 'G':
		return m.number(op)
	case 'X': // BINUNICODE
		s, err := m.text()
		return m.pushed(s, err)
	case '}':
		return m.push(&Dict{})
	case ']':
		return m.push(&List{})
	case ')':
		return m.push(Tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1 to 3
		items, err := m.popN(int(op - 0x84))
		return m.pushed(Tuple(items), err)
	case 't': // TUPLE
		items, err := m.toMark()
		return m.pushed(Tuple(items), err)
	case 'a', 'e': // APPEND, APPENDS
		return m.appends(op == 'a')
	case 's', 'u': // SETITEM, SETITEMS
		return m.setItems(op == 's')
	case 'q', 'r', 'h', 'j':
		return m.memoize(op)
	case 'c': // GLOBAL
		g, err := m.global()
		return m.pushed(g, err)
	case 'R', 0x81: // REDUCE, NEWOBJ
		args, err := m.popN(2)
		if err != nil {
			return err
		}
		v, err := construct(args[0], args[1], op == 0x81)
		return m.pushed(v, err)
	case 'b': // BUILD
		return m.build()
	case 'Q': // BINPERSID
		id, err := m.pop()
		if err != nil {
			return err
		}
		s, err := m.persistent(id)
		return m.pushed(s, err)
	default:
		return fmt.Errorf("opcode %#02x (%s), which torch.save does not write", op, opcodeName(op))
	}
}

// opcodeName returns the name of a common unsupported opcode.
func opcodeName(op byte) string {
	names := map[byte]string{
		'i': "INST", 'o': "OBJ", 'P': "PERSID", 'I': "INT", 'L': "LONG", 'F': "FLOAT", 'S': "STRING", 'T': "BINSTRING", 'U': "SHORT_BINSTRING",
		'V': "UNICODE", 'B': "BINBYTES", 'C': "SHORT_BINBYTES", 0x8b: "LONG4", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x8c: "SHORT_BINUNICODE",
		0x8d: "BINUNICODE8", 0x8e: "BINBYTES8", 0x8f: "EMPTY_SET", 0x90: "ADDITEMS", 0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x93: "STACK_GLOBAL",
		0x94: "MEMOIZE", 0x95: "FRAME", '0': "POP", '1': "POP_MARK", '2': "DUP", 'd': "DICT", 'l': "LIST", 'p': "PUT", 'g': "GET",
	}
	if name, ok := names[op]; ok {
		return name
	}
	return "unknown"
}

func (m *machine) byte() (byte, error) {
	b, err := m.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// take reads n bytes.
func (m *machine) take(n int) ([]byte, error) {
	if n < 0 || n > len(m.src)-m.at {
		return nil, fmt.Errorf("the pickle ends too early")
	}
	m.at += n
	return m.src[m.at-n : m.at], nil
}

func (m *machine) push(v any) error { m.stack = append(m.stack, v); return nil }

// pushed pushes a value unless there is an error.
func (m *machine) pushed(v any, err error) error {
	if err != nil {
		return err
	}
	return m.push(v)
}

func (m *machine) pop() (any, error) {
	vs, err := m.popN(1)
	if err != nil {
		return nil, err
	}
	return vs[0], nil
}

// popN pops n values, none of them a mark, in the order in which they were pushed.
func (m *machine) popN(n int) ([]any, error) {
	if n > len(m.stack) {
		return nil, fmt.Errorf("the stack has %d values, want %d", len(m.stack), n)
	}
	vs := append([]any(nil), m.stack[len(m.stack)-n:]...)
	for _, v := range vs {
		if _, ok := v.(mark); ok {
			return nil, fmt.Errorf("a mark on the stack, want a value")
		}
	}
	m.stack = m.stack[:len(m.stack)-n]
	return vs, nil
}

// toMark pops the values above the last mark, and the mark.
func (m *machine) toMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			vs := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return vs, nil
		}
	}
	return nil, fmt.Errorf("no mark on the stack")
}

func (m *machine) number(op byte) error {
	size := map[byte]int{'K': 1, 'M': 2, 'J': 4, 'G': 8}[op]
	if op == 0x8a { // LONG1
		n, err := m.byte()
		if err != nil {
			return err
		}
		if size = int(n); size > 8 {
			return fmt.Errorf("an integer of %d bytes, want at most 8", size)
		}
	}
	b, err := m.take(size)
	if err != nil {
		return err
	}
	if op == 'G' { // BINFLOAT
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
	x := int64(0)
	for i, c := range b {
		x |= int64(c) << (8 * i)
	}
	if signed := op == 'J' || op == 0x8a; signed && size > 0 && size < 8 && b[size-1] >= 0x80 {
		x -= 1 << (8 * size)
	}
	return m.push(x)
}

// text reads a length and as many bytes of UTF-8.
func (m *machine) text() (string, error) {
	b, err := m.take(4)
	if err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint32(b)
	if int64(n) > int64(len(m.src)-m.at) {
		return "", fmt.Errorf("a string of %d bytes, but %d are left", n, len(m.src)-m.at)
	}
	if b, err = m.take(int(n)); err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("a string that is not UTF-8")
	}
	return string(b), nil
}

// memoize does BINPUT, LONG_BINPUT, BINGET and LONG_BINGET.
func (m *machine) memoize(op byte) error {
	size := 1
	if op == 'r' || op == 'j' {
		size = 4
	}
	b, err := m.take(size)
	if err != nil {
		return err
	}
	i := uint32(b[0])
	if size == 4 {
		i = binary.LittleEndian.Uint32(b)
	}
	if op == 'h' || op == 'j' {
		v, ok := m.memo[i]
		if !ok {
			return fmt.Errorf("no value %d in the memo", i)
		}
		return m.push(v)
	}
	v, err := m.pop()
	if err != nil {
		return err
	}
	m.memo[i] = v
	return m.push(v)
}

// appends does APPEND and APPENDS.
func (m *machine) appends(one bool) error {
	items, err := m.popAbove(one, 1)
	if err != nil {
		return err
	}
	to, err := m.pop()
	if err != nil {
		return err
	}
	l, ok := to.(*List)
	if !ok {
		return fmt.Errorf("append to %s, want a list", describe(to))
	}
	l.Items = append(l.Items, items...)
	return m.push(l)
}

// setItems does SETITEM and SETITEMS.
func (m *machine) setItems(one bool) error {
	items, err := m.popAbove(one, 2)
	if err != nil {
		return err
	}
	to, err := m.pop()
	if err != nil {
		return err
	}
	d, ok := to.(*Dict)
	if !ok {
		return fmt.Errorf("set an item of %s, want a dict", describe(to))
	}
	if len(items)%2 != 0 {
		return fmt.Errorf("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.Items = append(d.Items, Item{items[i], items[i+1]})
	}
	return m.push(d)
}

// popAbove pops n values, or those above the last mark.
func (m *machine) popAbove(one bool, n int) ([]any, error) {
	if one {
		return m.popN(n)
	}
	return m.toMark()
}

// global reads the name of a global: two lines.
func (m *machine) global() (*global, error) {
	var parts [2]string
	for i := range parts {
		rest := m.src[m.at:min(len(m.src), m.at+maxName+1)]
		end := strings.IndexByte(string(rest), '\n')
		if end < 0 {
			return nil, fmt.Errorf("the name of a global is longer than %d bytes, or cut short", maxName)
		}
		parts[i] = string(rest[:end])
		m.at += end + 1
	}
	name := strings.Join(parts[:], ".")
	g, ok := globals[name]
	if !ok {
		return nil, fmt.Errorf("the global %q, which weights do not need; nothing was executed\n"+
			"  hint: where the file is trusted, save its state dict alone: torch.save(torch.load(FILE)[\"model\"], NEW)", name)
	}
	return g, nil
}

// construct does REDUCE and, if object is set, NEWOBJ.
func construct(callable, args any, object bool) (any, error) {
	g, ok := callable.(*global)
	if !ok {
		return nil, fmt.Errorf("a call of %s, want a global", describe(callable))
	}
	a, ok := args.(Tuple)
	if !ok {
		return nil, fmt.Errorf("%s is called with %s, want a tuple", g.name, describe(args))
	}
	switch {
	case g.name == "argparse.Namespace" && object && len(a) == 0:
		return &Namespace{}, nil
	case g.name == "collections.OrderedDict" && !object && len(a) == 0:
		return &Dict{}, nil
	case g.name == "torch._utils._rebuild_tensor_v2" && !object && (len(a) == 6 || len(a) == 7):
		return rebuild(a)
	case g.name == "torch._utils._rebuild_parameter" && !object && len(a) == 3:
		if t, ok := a[0].(*Tensor); ok {
			return t, nil
		}
		return nil, fmt.Errorf("a parameter of %s, want a tensor", describe(a[0]))
	}
	return nil, fmt.Errorf("a call of %s with %d arguments, which torch.save does not write", g.name, len(a))
}

// build does BUILD, which sets the attributes of a Namespace. Those of an OrderedDict (the
// _metadata of a state_dict) do not concern its tensors and are ignored.
func (m *machine) build() error {
	vs, err := m.popN(2)
	if err != nil {
		return err
	}
	state, ok := vs[1].(*Dict)
	if !ok {
		return fmt.Errorf("the attributes of %s are %s, want a dict", describe(vs[0]), describe(vs[1]))
	}
	switch to := vs[0].(type) {
	case *Namespace:
		to.Items = append(to.Items, state.Items...)
	case *Dict:
	default:
		return fmt.Errorf("attributes of %s, want those of an OrderedDict or a Namespace", describe(to))
	}
	return m.push(vs[0])
}

// persistent finds a storage: ("storage", type, key, device, number of values).
func (m *machine) persistent(id any) (*storage, error) {
	a, ok := id.(Tuple)
	if !ok || len(a) != 5 || a[0] != any("storage") {
		return nil, fmt.Errorf("a persistent id that is not a storage's")
	}
	kind, okKind := a[1].(*global)
	key, okKey := a[2].(string)
	n, okN := a[4].(int64)
	switch {
	case !okKind || kind.storage == nil:
		return nil, fmt.Errorf("a storage of type %s, want one such as torch.FloatStorage", describe(a[1]))
	case !okKey || !okN:
		return nil, fmt.Errorf("a storage needs a key and a number of values, got %s and %s", describe(a[2]), describe(a[4]))
	}
	return m.load(storage{key, kind.storage, n})
}

// rebuild makes a tensor from the arguments of torch._utils._rebuild_tensor_v2: storage, offset,
// size, stride, requires_grad, backward_hooks and perhaps metadata.
func rebuild(a Tuple) (*Tensor, error) {
	s, ok := a[0].(*storage)
	if !ok {
		return nil, fmt.Errorf("a tensor of %s, want a storage", describe(a[0]))
	}
	t := &Tensor{storage: s}
	var err error
	if t.offset, ok = a[1].(int64); !ok {
		return nil, fmt.Errorf("the offset of a tensor is %s, want an integer", describe(a[1]))
	}
	if t.Shape, err = sizes("shape", a[2]); err != nil {
		return nil, err
	}
	if t.Stride, err = sizes("stride", a[3]); err != nil {
		return nil, err
	}
	return t, t.check()
}

// sizes returns the integers of a tuple.
func sizes(what string, v any) ([]int64, error) {
	a, ok := v.(Tuple)
	if !ok || len(a) > maxRank {
		return nil, fmt.Errorf("the %s of a tensor is %s, want a tuple of at most %d integers", what, describe(v), maxRank)
	}
	out := make([]int64, len(a))
	for i, x := range a {
		if out[i], ok = x.(int64); !ok || out[i] < 0 {
			return nil, fmt.Errorf("the %s of a tensor contains %s, want integers that are not negative", what, describe(x))
		}
	}
	return out, nil
}

// describe names a value's type in an error, without walking the value.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return fmt.Sprintf("the integer %d", v)
	case float64:
		return fmt.Sprintf("the float %g", v)
	case string:
		return fmt.Sprintf("the string %q", v[:min(len(v), 40)])
	case *List:
		return "a list"
	case Tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *Dict:
		return "a dict"
	case *Namespace:
		return "a Namespace"
	case *Tensor:
		return "a tensor"
	case *storage:
		return "a storage"
	case *global:
		return "the global " + v.name
	case mark:
		return "a mark"
	}
	return "a value"
}
