"""stub"""
def simplify(g): return g
