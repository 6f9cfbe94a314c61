"""Vendor look-alikes over HTTP on loopback: strict about the contract, with a purchase log and faults to inject.

They share nothing with the product's adapters: a mistake made twice would prove itself right. Beside the vendor's own
routes each one has:

- `GET /_sim/health`
- `GET|DELETE /_sim/purchases`: what the vendor would charge for, `{"purchases": [{id, at, summary, images, charged}]}`;
  `charged` is null while it is not known (a job that runs, images that were blocked) and false once refunded
- `GET|DELETE /_sim/requests`: what was asked, with facts (size, format, SHA-256) in the place of pictures
- `GET|DELETE /_sim/callbacks`: the webhooks it called, `{"callbacks": [{url, at, answered}]}`; `url` without its last path
  segment and query, `answered` a status or null for nobody there
- `GET|POST|DELETE /_sim/faults`: `{on, kind, times?, ...}`, see `faults.py` and each simulator's `fault_kinds`
"""
