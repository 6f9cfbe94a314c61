"""Vendor look-alikes over HTTP on loopback: strict about its contract, with a purchase log and faults to inject.

They share nothing with the product's adapters: a mistake made twice would prove itself right.
"""
