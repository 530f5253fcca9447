import Testing

@testable import longtake

@Suite("descriptor limit")
struct DescriptorLimitTests {
    // This test failed when connections had a separate limit.
    @Test(
        "leaves connections for requests when all streams are open, at every limit",
        arguments: [64, 1_024, 20_000, 65_536, 1_048_576])
    func budget(limit: Int) {
        let budget = DescriptorLimit.budget(in: limit, open: 20)
        #expect(budget.connections <= 32_768 && budget.connections + 20 < max(limit, 25))
        #expect(budget.streams < budget.connections)
        if limit >= 1_024 { #expect(budget.streams == budget.connections - 64) }
    }
}
