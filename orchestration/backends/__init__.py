"""Django's database backends, reading what Python cannot hold: for DATABASES["…"]["ENGINE"].

One value that no reader can take (a year before 1 or after 9999, infinity, broken text) would otherwise fail every
statement that meets its row: the claims, the lists, the health checks. Here it reads as a bound that stands out
(orchestration.values.moments), and the row can be shown and set aside.
"""
