// Goal: whatever byte of a page changes, and wherever a page is put, the file layer finds it; a register
// without seals is read as before. Method: every bit of one page flipped, pages swapped; a register made as
// they were before.

import CScrub
import ConsentDomain
import ConsentRegister
import Foundation
import TestRandomness
import Testing

@Suite struct SealTests {
    @Test func everyBitOfAPageAndItsNumberCount() {
        var random = SeededGenerator(seed: 3)
        var page = (0..<512).map { _ in UInt8(random.below(256)) }
        consent_page_seal(&page, 512, 7)
        #expect(consent_page_is_sound(page, 512, 7) == 1)
        #expect(consent_page_is_sound(page, 512, 8) == 0)
        for place in page.indices {
            for bit in 0..<8 {
                page[place] ^= 1 << bit
                #expect(consent_page_is_sound(page, 512, 7) == 0, "byte \(place), bit \(bit)")
                page[place] ^= 1 << bit
            }
        }
    }

    /// A register whose pages have seals, or had none when it was made.
    private func register(isSealed: Bool) throws -> (TestRegister, RegisterModel) {
        let test = try TestRegister(isSealed: isSealed)
        var maker = EventMaker(test.keys, seed: 8)
        var model = RegisterModel(test.keys)
        for _ in 0..<300 { model.append(try test.register.stage(maker.random(people: 40)).event) }
        try test.register.commit()
        while try !test.register.flushDerived(budget: .seconds(1)) {}
        test.close()
        return (test, model)
    }

    private func soundPages(_ path: String) throws -> (sound: Int, all: Int) {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let pages = stride(from: 0, to: bytes.count, by: 4096).map { [UInt8](bytes[$0..<($0 + 4096)]) }
        let sound = pages.enumerated().count { consent_page_is_sound($1, 4096, UInt32($0 + 1)) == 1 }
        return (sound, pages.count)
    }

    @Test func allPagesOfARegisterAndItsBackupAreSealed() throws {
        let (test, model) = try register(isSealed: true)
        let pages = try soundPages(test.path)
        #expect(pages.sound == pages.all && pages.all > 10)
        let backup = test.folder.file("backup.db")
        try test.register.backup(to: backup)
        let copied = try soundPages(backup)
        #expect(copied.sound == copied.all && copied.all > 10)
        try RegisterContractTests.compare(try test.register, model, "sealed")
    }

    @Test func pagesThatChangePlacesAreFound() throws {
        let (test, _) = try register(isSealed: true)
        try test.folder.patch("register.db") { data in
            let page = { (number: Int) in (number - 1) * 4096..<number * 4096 }
            let (fifth, sixth) = (Data(data[page(5)]), Data(data[page(6)]))
            data.replaceSubrange(page(5), with: sixth)
            data.replaceSubrange(page(6), with: fifth)
        }
        let error = #expect(throws: RegisterError.self) {
            let register = try test.reopen()
            _ = try register.events(after: 0, limit: .max)
            try register.forEachStateRow { _, _, _ in }
            _ = try RegisterBackup.verify(test.path)
        }
        #expect("\(try #require(error))".contains("checksum"))
    }

    @Test func aRegisterWithoutSealsIsReadAndWrittenAsBefore() throws {
        let (test, model) = try register(isSealed: false)
        #expect(try soundPages(test.path).sound == 0)
        try RegisterContractTests.compare(try test.register, model, "not sealed")
        let backup = test.folder.file("backup.db")
        try test.register.backup(to: backup)
        #expect(try soundPages(backup).sound == 0)
    }

    @Test func aHeaderThatDeniesTheSealsIsFound() throws {
        let (test, _) = try register(isSealed: true)
        // Byte 20: how many bytes of each page SQLite leaves alone.
        try test.folder.patch("register.db") { $0[20] = 0 }
        #expect(throws: RegisterError.self) { try test.reopen() }
    }
}
