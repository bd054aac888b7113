package runbooks

import (
	"cmp"
	"slices"
)

// layout places the steps of a runbook in layers: each step below everything that it needs.
type layout struct {
	// nodes are all places: first those of the steps, in the order of the text, then the bends of long lines.
	nodes []node
	// lines lead from one node to the next; a line across several layers is a chain over bends.
	lines [][]int
	// layers hold the nodes of each layer from left to right.
	layers [][]int
}

type node struct {
	layer int
	// x is the middle, in units of one place.
	x float64
	// up and down are the neighbours in the layers above and below.
	up, down []int
}

// maxBends bounds the work for runbooks in which everything needs everything; beyond it lines are straight.
const maxBends = 4000

// place computes the layout.
func (r *Runbook) place() *layout {
	l := &layout{nodes: make([]node, len(r.Steps))}
	number := map[string]int{}
	for i := len(r.Steps) - 1; i >= 0; i-- {
		number[r.Steps[i].ID] = i
	}
	needs := r.reduced(number)
	for _, id := range r.Order() {
		for _, need := range needs[number[id]] {
			l.nodes[number[id]].layer = max(l.nodes[number[id]].layer, l.nodes[need].layer+1)
		}
	}
	bends := 0
	for i := range needs {
		for _, need := range needs[i] {
			bends += max(0, l.nodes[i].layer-l.nodes[need].layer-1)
		}
	}
	for i := range needs {
		for _, need := range needs[i] {
			l.connect(need, i, bends <= maxBends)
		}
	}
	l.fill()
	for range 4 {
		l.sweep(func(n node) []int { return n.up }, false)
		l.sweep(func(n node) []int { return n.down }, true)
	}
	l.sweep(func(n node) []int { return n.up }, false)
	l.spread()
	return l
}

// reduced are the needs of each step without those that another need implies: drawing them shows nothing.
func (r *Runbook) reduced(number map[string]int) [][]int {
	words := (len(r.Steps) + 63) / 64
	before := make([][]uint64, len(r.Steps))
	needs := make([][]int, len(r.Steps))
	for i := range before {
		before[i] = make([]uint64, words)
	}
	for _, id := range r.Order() {
		i := number[id]
		implied := make([]uint64, words)
		for _, need := range r.Steps[i].Needs {
			if k, known := number[need]; known {
				for w := range implied {
					implied[w] |= before[k][w]
				}
			}
		}
		copy(before[i], implied)
		for _, need := range r.Steps[i].Needs {
			k, known := number[need]
			if known && implied[k/64]&(1<<(k%64)) == 0 {
				needs[i] = append(needs[i], k)
			}
			if known {
				before[i][k/64] |= 1 << (k % 64)
			}
		}
	}
	return needs
}

// connect draws a line from one node down to another, with a bend in each layer between them.
func (l *layout) connect(from, to int, bend bool) {
	line := []int{from}
	for layer := l.nodes[from].layer + 1; bend && layer < l.nodes[to].layer; layer++ {
		l.nodes = append(l.nodes, node{layer: layer})
		line = append(line, len(l.nodes)-1)
	}
	line = append(line, to)
	for i := 1; i < len(line); i++ {
		l.nodes[line[i-1]].down = append(l.nodes[line[i-1]].down, line[i])
		l.nodes[line[i]].up = append(l.nodes[line[i]].up, line[i-1])
	}
	l.lines = append(l.lines, line)
}

func (l *layout) fill() {
	for i := range l.nodes {
		for len(l.layers) <= l.nodes[i].layer {
			l.layers = append(l.layers, nil)
		}
		layer := l.nodes[i].layer
		l.nodes[i].x = float64(len(l.layers[layer]))
		l.layers[layer] = append(l.layers[layer], i)
	}
}

// sweep orders each layer by where the neighbours of its nodes are, so that few lines cross.
func (l *layout) sweep(neighbours func(node) []int, upwards bool) {
	for k := range l.layers {
		layer := l.layers[k]
		if upwards {
			layer = l.layers[len(l.layers)-1-k]
		}
		middle := make(map[int]float64, len(layer))
		for _, i := range layer {
			middle[i] = l.middle(neighbours(l.nodes[i]), l.nodes[i].x)
		}
		slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(middle[a], middle[b]) })
		for x, i := range layer {
			l.nodes[i].x = float64(x)
		}
	}
}

func (l *layout) middle(of []int, otherwise float64) float64 {
	if len(of) == 0 {
		return otherwise
	}
	sum := 0.0
	for _, i := range of {
		sum += l.nodes[i].x
	}
	return sum / float64(len(of))
}

// spread moves the nodes of each layer to where their neighbours are, without changing their order, and
// then everything so far to the right that the leftmost is at 0.
func (l *layout) spread() {
	for range 6 {
		for _, layer := range l.layers {
			l.settle(layer)
		}
		for _, layer := range slices.Backward(l.layers) {
			l.settle(layer)
		}
	}
	left := l.nodes[0].x
	for i := range l.nodes {
		left = min(left, l.nodes[i].x)
	}
	for i := range l.nodes {
		l.nodes[i].x -= left
	}
}

// settle puts each node of a layer as near to the middle of its neighbours as the others allow: halfway
// between where it comes to be when all are pushed to the right and when all are pushed to the left. Both
// keep order and distance, so that what lies between them does, too.
func (l *layout) settle(layer []int) {
	right, left := make([]float64, len(layer)), make([]float64, len(layer))
	for k, i := range layer {
		right[k] = l.middle(slices.Concat(l.nodes[i].up, l.nodes[i].down), l.nodes[i].x)
		left[k] = right[k]
		if k > 0 {
			right[k] = max(right[k], right[k-1]+1)
		}
	}
	for k := len(layer) - 2; k >= 0; k-- {
		left[k] = min(left[k], left[k+1]-1)
	}
	for k, i := range layer {
		l.nodes[i].x = (right[k] + left[k]) / 2
	}
}
