// Package graphwalks has questions about a directed graph that is given as a list of edges, as in
// OpenAI's GraphWalks: breadth-first search to a depth, and the parents of a node.
package graphwalks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/filler"
	"github.com/yocobench/yocobench/quality/score"
)

// Published is the wording of the data set, with the correction of 2026-02-27: nodes at exactly the
// depth.
const Published = "published"

// marker begins the line of the answer.
const marker = "Final Answer:"

// Family returns the task graphwalks.
func Family() quality.Family {
	return quality.Family{
		Name: "graphwalks", Title: "GraphWalks",
		About: "breadth-first search and parents in a graph given as a list of edges",
		Lead: "The score is the F1 of the set of nodes. bfs asks for the nodes at exactly a distance from a node, bfs_within for those up to it. " +
			"Kinds with _strict require the answer on the last line, in the benchmark's form.",
		Wordings: []string{Published},
		Kinds: []quality.Kind{
			kind("bfs", "nodes at exactly a distance of 1 to 3 edges", exact, false),
			kind("bfs_within", "nodes at a distance of up to 1 to 3 edges", within, false),
			kind("parents", "nodes with an edge to a node", parents, false),
			kind("bfs_strict", "bfs, the answer on the last line in the benchmark's form", exact, true),
			kind("parents_strict", "parents, the answer on the last line in the benchmark's form", parents, true),
		},
	}
}

// operation is what a question asks for.
type operation int

const (
	exact operation = iota
	within
	parents
)

func kind(name, about string, op operation, strict bool) quality.Kind {
	k := quality.Kind{
		Name: name, About: about,
		Answer: func(int) int { return 160 }, // 12 nodes in bytes
		Draw:   func(r *rng.Rand, s *quality.Settings) (quality.Draft, error) { return draw(r, s.Wording, op, strict) },
	}
	if strict {
		k.Score = func(answer string, s *quality.Sample) float64 {
			nodes, ok := score.FinalAnswer(answer, true)
			return points(nodes, ok, s)
		}
		return k
	}
	k.Score = func(answer string, s *quality.Sample) float64 {
		nodes, ok := continued(answer)
		if !ok {
			nodes, ok = score.FinalAnswer(answer, false)
		}
		return points(nodes, ok, s)
	}
	k.Done = func(answer string, s *quality.Sample) bool {
		_, ok := continued(answer)
		return ok && strings.Contains(strings.TrimLeft(answer, " \n"), "\n")
	}
	return k
}

// continued parses an answer that continues the prefix: its first line is the list.
func continued(answer string) (nodes []string, ok bool) {
	line, _, _ := strings.Cut(strings.TrimLeft(answer, " \n"), "\n")
	if !strings.HasPrefix(line, "[") {
		return nil, false
	}
	return score.FinalAnswer(marker+line, true)
}

func points(nodes []string, ok bool, s *quality.Sample) float64 {
	if !ok {
		return 0
	}
	return score.F1(nodes, s.References)
}

// edge is a line of the list.
type edge struct{ from, to string }

func (e edge) String() string { return e.from + " -> " + e.to }

// node returns a name: ten hexadecimal digits.
func node(r *rng.Rand) string { return fmt.Sprintf("%010x", r.Uint64()>>24) }

// question is a graph's part that determines the answer.
type question struct {
	start string
	depth int
	edges []edge
	want  []string
	// levels are the nodes by their distance from start (for parents: start, then its parents).
	levels [][]string
}

// walk draws the nodes around start by distance, with edges from each level to the next and some
// back to earlier ones.
func walk(r *rng.Rand, op operation) question {
	q := question{start: node(r), depth: r.Range(1, 3)}
	q.levels = [][]string{{q.start}}
	for d := 1; d <= q.depth; d++ {
		var level []string
		for i, from := range q.levels[d-1] {
			n := r.Range(0, 2)
			if i == 0 {
				n = r.Range(1, 2) // no level is empty
			}
			if d == 1 {
				n = r.Range(2, 4)
			}
			for range min(n, 4-len(level)) {
				to := node(r)
				level = append(level, to)
				q.edges = append(q.edges, edge{from, to})
			}
			if d > 1 && r.Chance(50) { // to a node that is at most as far
				q.edges = append(q.edges, edge{from, rng.Pick(r, q.levels[r.IntN(d)])})
			}
		}
		if d > 1 && len(level) > 1 && r.Chance(50) { // from a second parent
			q.edges = append(q.edges, edge{q.levels[d-1][0], level[len(level)-1]})
		}
		q.levels = append(q.levels, level)
	}
	if op == within {
		q.want = slices.Concat(q.levels[1:]...)
	} else {
		q.want = q.levels[q.depth]
	}
	return q
}

// children draws the parents of start.
func children(r *rng.Rand) question {
	q := question{start: node(r)}
	q.levels = [][]string{{q.start}, nil}
	for range r.Range(1, 4) {
		from := node(r)
		q.want = append(q.want, from)
		q.edges = append(q.edges, edge{from, q.start})
	}
	q.levels[1] = q.want
	return q
}

// draw draws a graph and a question. Edges of the filler do not change the answer: for a search
// they do not begin at a node nearer than the depth, for parents they do not end at the node in
// question. They contain all nodes of the question.
func draw(r *rng.Rand, wording string, op operation, strict bool) (quality.Draft, error) {
	if op == within && wording == Published {
		return nil, fmt.Errorf("bfs_within has no wording %q: list the other kinds, or use wording %s", wording, quality.WordingOwn)
	}
	var q question
	if op == parents {
		q = children(r)
	} else {
		q = walk(r, op)
	}
	var items []filler.Item
	for _, e := range q.edges {
		items = append(items, filler.Item{Depth: float64(r.IntN(1001)) / 1000, Text: e.String()})
	}
	known := slices.Concat(q.levels...) // nodes of the question
	other := []string{node(r), node(r)} // nodes of the filler
	l := &filler.List{Separator: "\n", Items: items, Step: 1}
	l.Head, l.Tail = prompt(wording, op, strict, q)
	l.Unit = func(i int) (string, bool) {
		if i%2 == 0 {
			other = append(other, node(r))
		}
		e := edge{rng.Pick(r, other), rng.Pick(r, other)}
		switch k := rng.Pick(r, known); {
		case r.Chance(80):
		case op == parents:
			if k != q.start && r.Chance(50) {
				e.to = k
			} else {
				e.from = k
			}
		case r.Chance(50) && slices.Contains(q.levels[q.depth], k):
			e.from = k
		default:
			e.to = k
		}
		return e.String(), true
	}
	l.Finish = func(out *quality.Sample, n int) {
		out.References = q.want
		if !strict {
			out.Prefix = "\n" + marker
		}
		for _, x := range known {
			if !slices.Contains(q.want, x) && x != q.start {
				out.Distractors = append(out.Distractors, x)
			}
		}
	}
	return l, nil
}

// prompt returns the texts before and after the edges.
func prompt(wording string, op operation, strict bool, q question) (head, tail string) {
	if wording == Published {
		task := fmt.Sprintf("Perform a BFS from node %s and return only the nodes at exactly depth %d (not nodes at intermediate depths).", q.start, q.depth)
		if op == parents {
			task = fmt.Sprintf("Find the parents of node %s.", q.start)
		}
		return publishedHead, "\n\nOperation:\n" + task + "\n\n" + publishedTail
	}
	task := fmt.Sprintf("Which nodes are at a distance of exactly %s from node %s? The distance is the number of edges on the shortest path that begins at %s.", count(q.depth), q.start, q.start)
	switch op {
	case within:
		task = fmt.Sprintf("Which nodes, besides %s itself, can be reached from node %s by following at most %s?", q.start, q.start, count(q.depth))
	case parents:
		task = fmt.Sprintf("Which nodes have an edge to node %s?", q.start)
	}
	head = "Each line below is an edge of a directed graph, from the node on the left to the node on the right.\n\n"
	tail = "\n\nThe answer is one line, such as \"" + marker + " [0123456789, abcdef0123]\", in any order."
	if strict {
		tail += " It is the last line of what you write."
	}
	return head, tail + "\n\n" + task
}

func count(edges int) string {
	if edges == 1 {
		return "1 edge"
	}
	return fmt.Sprintf("%d edges", edges)
}

const publishedHead = `You will be given a graph as a list of directed edges. All nodes are at least degree 1. You will also get a description of an operation to perform on the graph.
Your job is to execute the operation on the graph and return the set of nodes that the operation results in. If asked for a breadth-first search (BFS), only return the nodes that are both reachable and exactly at that depth (not nodes at intermediate depths), and do not return the starting node. If asked for the parents of a node, only return the nodes that have an edge leading to the given node, do not return the given node itself.

Here is an example:
<begin example>

The graph has the following edges:
uvwx -> alke
abcd -> uvwx
abcd -> efgh
efgh -> uvwx

Example 1:
Operation:
Perform a BFS from node abcd with depth 1.
Final Answer: [uvwx, efgh]

Example 2:
Operation:
Perform a BFS from node alke with depth 1.
Final Answer: []

Example 3:
Operation:
Find the parents of node uvwx.
Final Answer: [abcd, efgh]

Example 4:
Operation:
Find the parents of node abcd.
Final Answer: []

<end example>
Here is the graph to operate on:
The graph has the following edges:
`

const publishedTail = "You should immediately return the set of nodes that the operation results in, with no additional text. Return your final answer as a list of nodes in the very last line of your response."
