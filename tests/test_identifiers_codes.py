"""Codes that GS1 does not own: the examples of the reference (china, section 3), good and bad, and the one door."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, TraceError
from trace.identifiers.china_regions import ABBREVIATIONS, region_name, region_warnings
from trace.identifiers.device_codes import DeviceFiling, DeviceLicence, DeviceRegistration
from trace.identifiers.drug_codes import DrugApprovalNumber, DrugStandardCode, DrugTraceCode
from trace.identifiers.drug_licences import DrugOperationLicence, DrugProductionLicence
from trace.identifiers.enterprise_codes import FoodOperationLicence, FoodProductionLicence, Uscc
from trace.identifiers.farm_codes import EarTag, FarmSubject, OrganicCode, PledgeCertificate, QuarantineCertificate
from trace.identifiers.gs1_keys import Gtin
from trace.identifiers.in_store_codes import InStoreCode, InStoreLayout, is_in_store, read_in_store
from trace.identifiers.meat_codes import MeatRetailCode
from trace.identifiers.national import NationalCode, folding_warnings
from trace.identifiers.national_codes import SCHEMES, NationalReading, national_code, read_national
from trace.identifiers.prefix_registry import DrugPack, PrefixRegistry
from trace.identifiers.special_food_codes import SpecialFoodNumber
from trace.identifiers.udi_codes import AhmUdi, MaUdi
from trace.identifiers.uris import key_from_uri, uri_of

MA_ITEM = "MA.156.M0.100761.21234561.Sx00008.M220117.L20220117.D20220118.E220130.V220117.C3"

EXAMPLES: list[NationalCode] = [
    QuarantineCertificate("NO.4412345678"),
    DeviceRegistration("国械注准20213030647"),
    DeviceFiling("国械备20162345"),
    DeviceLicence("沪药监械生产许20200001"),
    DrugTraceCode("83857930000879766660"),
    DrugApprovalNumber("Z45021428"),
    DrugOperationLicence("琼AA898000001"),
    DrugProductionLicence("京20150001"),
    DrugStandardCode("86904879000126"),
    EarTag("111010800000001"),
    FarmSubject("330100799655058"),
    FoodOperationLicence("JY23506230105266"),
    MeatRetailCode("12345678901234567890"),
    OrganicCode("12326012345678901"),
    PledgeCertificate("HGZ20260201001"),
    FoodProductionLicence("SC11532139200465"),
    SpecialFoodNumber("国食注字YP20180012"),
    Uscc("91110108551385082Q"),
    AhmUdi("AHM8100012345"),
    MaUdi(MA_ITEM),
]


def refused(text: str) -> str:
    with pytest.raises(ParseError) as caught:
        read_national(text)
    return str(caught.value)


# ---- schemes ------------------------------------------------------------------------------------


def test_every_scheme_has_an_example_here() -> None:
    assert [code.scheme for code in EXAMPLES] == sorted(SCHEMES)


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.scheme)
def test_every_code_has_one_uri_on_the_logs_domain(code: NationalCode) -> None:
    uri = uri_of(code, "trace.example")
    assert uri.startswith(f"https://trace.example/id/{code.scheme}/")
    assert key_from_uri(uri, "trace.example") == code
    assert national_code(code.scheme, code.value) == code


def test_a_scheme_without_rules_keeps_any_printable_value() -> None:
    assert national_code("farm", "阳坡-7") == NationalCode("farm", "阳坡-7")


# ---- drugs --------------------------------------------------------------------------------------


def test_a_drug_standard_code_has_the_check_digit_of_gs1() -> None:
    code = DrugStandardCode.parse("8690 4879 000126")
    assert (code.maker, code.drug) == ("04879", "00012")
    with pytest.raises(ParseError, match="check digit is 7, computed 6"):
        DrugStandardCode("86904879000127")
    with pytest.raises(ParseError) as error:
        DrugStandardCode("06901234567892")
    assert str(error.value) == (
        "drug standard code '06901234567892': expected 869 in front (86 China, 9 drug), got 069."
    )
    with pytest.raises(ParseError) as error:
        DrugStandardCode("869048790001")
    assert str(error.value) == "drug standard code '869048790001': expected 14 digits, got 12 digits."


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("国药准字Z45021428", "Z45021428"),
        ("国药准字H20999001", "H20999001"),
        ("国药准字HJ20200001", "HJ20200001"),
        ("国药准字ZC20210002", "ZC20210002"),
        ("国药准字 Ｈ２００５０００１", "H20050001"),
        ("进口药品注册证号H20150345", "H20150345"),
        ("医药产品注册证号HC20120001", "HC20120001"),
    ],
)
def test_approval_numbers_of_all_times_are_read(printed: str, value: str) -> None:
    assert read_national(printed).codes == (DrugApprovalNumber(value),)


def test_an_approval_number_of_no_authority_is_a_warning() -> None:
    assert DrugApprovalNumber("H10950001").warnings == ()
    assert DrugApprovalNumber("H20050001").warnings == ()
    assert DrugApprovalNumber("Z45021428").warnings == ()
    assert DrugApprovalNumber("Z98021428").warnings == ("region '98': no province has this number.",)


def test_a_drug_operation_licence_says_what_may_be_sold() -> None:
    licence = DrugOperationLicence.parse("琼ＡＡ8980 00001")
    assert (licence.value, licence.trade, licence.is_corporate) == ("琼AA898000001", "wholesale", True)
    assert DrugOperationLicence("粤DB020000001").trade == "single pharmacy"
    assert refused("琼AA89800001") == (
        "drug operation licence '琼AA89800001': expected a province, one of ABCD, one of AB and 9 digits."
    )
    assert refused("桥AA898000001") == (
        "drug operation licence '桥AA898000001': expected the abbreviation of a province, got '桥'."
    )


def test_a_drug_production_licence_names_its_province() -> None:
    assert read_national("京20150001").codes == (DrugProductionLicence("京20150001"),)
    assert refused("桥20150001") == (
        "drug production licence '桥20150001': expected the abbreviation of a province, got '桥'."
    )


def test_a_registered_prefix_tells_a_drug_from_a_sale_of_meat() -> None:
    box = DrugPack(Gtin("06924561884074"), 3)
    registry = PrefixRegistry({"8021761": box})
    drug = DrugTraceCode("80217619000000001003")
    assert registry.pack_of(drug) == box
    assert read_national("8021761 9000000001003", registry) == NationalReading(
        (drug,), ("'8021761 9000000001003' was read with its spaces and hyphens left out.",)
    )
    assert read_national("12345678901234567890", registry) == NationalReading(
        (DrugTraceCode("12345678901234567890"), MeatRetailCode("12345678901234567890")),
        ("'12345678901234567890' may be cn-drug or cn-meat.",),
    )
    with pytest.raises(ParseError, match="drug prefix '802176': expected 7 digits"):
        PrefixRegistry({"802176": box})
    with pytest.raises(ParseError, match="packing level 0: expected 1 to 9"):
        DrugPack(box.gtin, 0)


# ---- devices ------------------------------------------------------------------------------------


def test_a_device_registration_says_class_category_and_origin() -> None:
    device = DeviceRegistration.parse("国械注准 20213030647")
    assert (device.origin, device.risk_class, device.category, device.warnings) == ("domestic", 3, "03", ())
    assert DeviceRegistration("苏械注准20172660123").warnings == ()
    assert DeviceRegistration("国械注进20152400001").warnings == ()
    assert DeviceRegistration("国械注准20172660123").warnings == (
        "device registration '国械注准20172660123': class 2, domestic, is not for this agency.",
    )
    assert refused("国械注准20211030647") == (
        "device registration '国械注准20211030647': expected 国 or a province, 械注, one of 准进许, "
        "the year, class 2 or 3 and 6 digits."
    )
    assert refused("桥械注准20212030647").endswith("expected the abbreviation of a province, got '桥'.")


@pytest.mark.parametrize("value", ["国械备20162345", "京海械备20200001", "沪浦械备20210001号"])
def test_device_filings_are_read(value: str) -> None:
    assert read_national(value).codes == (DeviceFiling(value.removesuffix("号")),)


@pytest.mark.parametrize(
    "value", ["沪药监械生产许20200001号", "粤深药监械经营许20210001", "京海食药监械经营备20160001号"]
)
def test_device_licences_are_read(value: str) -> None:
    assert read_national(value).codes == (DeviceLicence(value.removesuffix("号")),)
    assert refused(f"{value[:-2]}X").startswith("device licence ")


def test_an_ma_code_is_read_to_its_parts() -> None:
    code = MaUdi.parse(MA_ITEM)
    assert code.di == "MA.156.M0.100761.21234561"
    assert (code.serial, code.lot, code.warnings) == ("x00008", "20220117", ())
    assert code.pi[-1] == ("C", "3")
    assert MaUdi.parse("MA.156.M0.100204.13351764").pi == ()
    long = "MA.156.M0.100350.01004YA10017"
    assert MaUdi.parse(long).warnings == (f"MA code {long!r}: the DI has 29 characters, usual are 25.",)


def test_the_case_of_an_ma_code_is_kept() -> None:
    text = "MA.156.M0.100011.2cscp023.Ste002.M200206"
    assert read_national(text) == NationalReading((MaUdi(text),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MA.156.M0.100204", "MA code 'MA.156.M0.100204': expected MA.156.M0.company.product, names between dots."),
        (
            "MA.156.M0.100204.13351764.",
            "MA code 'MA.156.M0.100204.13351764.': expected a capital letter and a value, got ''.",
        ),
        (
            "MA.156.M0.100204.13351764.s1",
            "MA code 'MA.156.M0.100204.13351764.s1': expected a capital letter and a value, got 's1'.",
        ),
        ("MA.156.M0." + "9" * 200, "MA code 'MA.156.M0." + "9" * 50 + "': expected at most 200 characters."),
        ("AHM", "AHM code 'AHM': expected AHM and 1 to 47 characters without spaces."),
    ],
)
def test_broken_device_identifiers_say_why(text: str, message: str) -> None:
    assert refused(text) == message


# ---- food and farm ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("国食健注G20241234", "health food"),
        ("国食健注J20241234", "health food"),
        ("国食健字G20050123", "health food"),
        ("食健备G201934001524", "health food"),
        ("食健备J202400123456", "health food"),
        ("卫食健字（1997）第001号", "health food of before 2003"),
        ("国食注字YP20999001", "infant formula"),
        ("国食注字YP20180012", "infant formula"),
        ("国食注字TY20180001", "food for special medical purposes"),
    ],
)
def test_special_food_numbers_are_read(printed: str, kind: str) -> None:
    (code,) = read_national(printed).codes
    assert isinstance(code, SpecialFoodNumber)
    assert code.kind == kind
    assert code.warnings == ()


def test_a_special_food_number_of_another_shape_is_refused() -> None:
    assert refused("国食注字YP2018001") == (
        "special food number '国食注字YP2018001': expected 国食健注, 国食健字 or 食健备 with G or J, "
        "国食注字YP, 国食注字TY or 卫食健字, with their digits."
    )
    assert refused("食健备J202434123456").startswith("special food number '食健备J202434123456'")
    assert SpecialFoodNumber("食健备G201998001524").warnings == ("region '98': no province has this number.",)


def test_an_ear_tag_names_species_and_county() -> None:
    tag = EarTag.parse("1 110108 00000001")
    assert (tag.species, tag.region, tag.warnings) == ("pig", "110108", ())
    assert read_national("199012100000001") == NationalReading(
        (EarTag("199012100000001"),), ("region '990121': no province has 99.",)
    )
    with pytest.raises(ParseError) as error:
        EarTag("411010800000001")
    assert str(error.value) == ("ear tag '411010800000001': expected species 1 (pig), 2 (cattle) or 3 (sheep), got 4.")
    with pytest.raises(ParseError) as error:
        EarTag("11101080000001")
    assert str(error.value) == "ear tag '11101080000001': expected 15 digits, got 14 digits."


def test_an_organic_code_names_certifier_and_year() -> None:
    (code,) = read_national("有机码：123 26 012345678901").codes
    assert isinstance(code, OrganicCode)
    assert (code.value, code.certifier, code.year) == ("12326012345678901", "123", 2026)
    assert refused("有机码123") == "organic code '123': expected 17 digits, got 3 digits."


def test_certificates_are_opaque_but_not_anything() -> None:
    assert read_national("动物检疫合格证明编号：No.4412345678").codes == (QuarantineCertificate("NO.4412345678"),)
    assert read_national("承诺达标合格证 HGZ-20260201-001").codes == (PledgeCertificate("HGZ20260201001"),)
    assert read_national("节点主体码 330100799655058").codes == (FarmSubject("330100799655058"),)
    assert refused("承诺达标合格证") == (
        "pledge certificate '': expected 4 to 40 letters, digits or Chinese characters, with a digit."
    )


def test_the_category_of_a_licence_is_told_and_its_region_doubted() -> None:
    licence = FoodProductionLicence("SC11532139200465")
    assert (licence.category, licence.region) == (("酒类", "alcoholic drinks"), "321392")
    assert licence.warnings == ("region '321392' of 江苏省 is not listed, now or before.",)
    assert FoodProductionLicence("SC11834020305037").warnings == (
        "region '340203' (弋江区) is historic: last listed in 2019-04.",
    )
    assert FoodProductionLicence("SC10741018302531").warnings == ()
    assert FoodProductionLicence("SC11599010300019").warnings == ("region '990103': no province has 99.",)
    operation = FoodOperationLicence("JY23506230105266")
    assert (operation.category, operation.warnings) == (("餐饮服务", "catering"), ())


def test_a_region_is_known_by_name_and_time() -> None:
    assert region_name("110108") == "海淀区"
    assert region_name("990102") is None
    assert region_warnings("330113") == ()
    assert all(region_name(f"{number}0000") for abbreviation, number in ABBREVIATIONS.items() if abbreviation != "兵")


# ---- shops --------------------------------------------------------------------------------------


def test_a_weight_code_is_read_by_the_layout_of_its_shop() -> None:
    layout = InStoreLayout("22IIIIIWWWWWC", 3)
    assert layout.read("2212345012343") == InStoreCode("12345", Decimal("1.234"), "KGM")
    price = InStoreLayout("21IIIIIIPPPPC", 2)
    assert read_in_store("2100123412501", (layout, price)) == (InStoreCode("001234", Decimal("12.50"), "CNY"),)
    assert read_in_store("2100123412501", (layout,)) == ()


def test_a_weight_code_that_is_none_is_refused() -> None:
    layout = InStoreLayout("22IIIIIWWWWWC", 3)
    for text, message in (
        ("2212345012347", "in-store code '2212345012347': check digit is 7, computed 3."),
        ("6924561884074", "in-store code '6924561884074': expected 13 digits that begin with 02 or 2."),
        ("2112345678900", "in-store code '2112345678900': expected 22 in front (layout 22IIIIIWWWWWC)."),
    ):
        with pytest.raises(ParseError) as error:
            layout.read(text)
        assert str(error.value) == message
    assert is_in_store("0212345678903")
    assert not is_in_store("6924561884074")


@pytest.mark.parametrize("pattern", ["22IIIIIWWWWC", "32IIIIIWWWWWC", "22IIIIIWWPPWC", "22IIIIIWWWWWW"])
def test_a_layout_that_makes_no_sense_is_refused(pattern: str) -> None:
    with pytest.raises(ParseError, match=f"in-store layout '{pattern}': expected 13 characters"):
        InStoreLayout(pattern, 2)


# ---- as printed ---------------------------------------------------------------------------------


def test_what_was_folded_is_reported() -> None:
    assert folding_warnings("91110108551385082Q") == ()
    assert read_national("９１１１０１０８-551385082q") == NationalReading(
        (Uscc("91110108551385082Q"),),
        (
            "'９１１１０１０８-551385082q' was read with full-width characters as narrow ones.",
            "'９１１１０１０８-551385082q' was read with its spaces and hyphens left out.",
            "'９１１１０１０８-551385082q' was read with small letters as capitals.",
        ),
    )


def test_digits_that_fit_no_scheme_claim_nothing() -> None:
    for text in (
        "",
        "9" * 100_000,
        "国药准字9" * 100_000,
        "123",
        "411010800000001",
        "06901234567892",
        "106141412345678908",
        "六六大顺",
        "hello",
    ):
        assert read_national(text) == NationalReading(())


def test_a_social_credit_code_is_refused_by_its_check() -> None:
    assert refused("91110108551385082R").endswith("check character is R, computed Q.")
    assert refused("91350100M000100Y4Z").endswith("'Z' at 18 is not used (no I, O, S, V, Z).")
    # The sum is a multiple of 31 here, where careless programs compute 31 instead of 0.
    assert read_national("91990102MADEM02300").codes == (Uscc("91990102MADEM02300"),)


@given(st.text(max_size=60) | st.text("国药准字械注备食健GJYPTYSCMA.156 0123456789０９-", max_size=40))
def test_no_text_does_anything_but_read_or_be_refused(text: str) -> None:
    try:
        reading = read_national(text)
    except TraceError as error:
        assert str(error)
    else:
        for code in reading.codes:
            assert national_code(code.scheme, code.value) == code
