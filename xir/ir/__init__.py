"""The graph: types, sizes, nodes, and the few ways to walk and change them."""
