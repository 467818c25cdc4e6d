import unittest

from invoices.totals import instalments, total


class TotalTest(unittest.TestCase):
    def test_adds_the_lines_and_the_tax(self):
        self.assertEqual(total([(2, 19_99), (1, 5_00)], tax_percent=20), 53_98)


class InstalmentsTest(unittest.TestCase):
    def test_splits_an_even_amount(self):
        self.assertEqual(instalments(10_00, 4), [2_50, 2_50, 2_50, 2_50])

    def test_loses_no_cent(self):
        self.assertEqual(sum(instalments(100_00, 3)), 100_00)

    def test_refuses_no_instalments_at_all(self):
        with self.assertRaises(ValueError):
            instalments(100_00, 0)


if __name__ == "__main__":
    unittest.main()
