"""Caffe: every generation of prototxt and caffemodel, BVLC's and the forks', as a plain net and then as a graph."""
