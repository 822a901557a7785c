// The example of the README, word for word below this comment: check, check many, withdraw. Run it against
// the server of the tour with `swift run -c release campaign-example`.

import ConsentClient

@main
struct Campaign {
    static func main() async throws {
        let client = try await ConsentClient.connect(to: "127.0.0.1:7447")
        let catalogue = try await client.catalogue()
        guard let salon = catalogue.controllers.first(where: { $0.code == "salon-lyon" }),
            let promotions = catalogue.purposes.first(where: { $0.code == "promotions" })
        else { return print("The catalogue lacks salon-lyon or promotions.") }
        let question = CheckQuestion(controller: salon.id, channel: .email, purpose: promotions.id)

        // One message: ask right before sending it. Never throws; every failure is a no.
        let answer = await client.check(question, .address("lea@courriel.example"))
        print(answer.isAllowed ? "send" : "do not send")

        // A campaign: up to 65,536 contact points in one question, answered in the same order.
        let addresses = ["lea@courriel.example", "hugo@courriel.example"]
        let batch = await client.checkBatch(question, addresses: addresses)
        print("\(batch.allowedCount) of \(batch.count) may be written to")

        // Someone clicks "unsubscribe": durable when this returns, and no later check says yes.
        let lea = Subject.contacts([WriteContact("lea@courriel.example")])
        let result = try await client.withdraw(RefusalNotice(controller: salon.id, subject: lea))
        print("recorded as event \(result.sequence)")
        await client.close()
    }
}
