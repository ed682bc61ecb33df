"""How many replicas there shall be: autoscaling/v2's arithmetic, which never takes no data for
no load (design, section 4).
"""
